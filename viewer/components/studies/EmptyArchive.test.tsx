import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, screen } from '@testing-library/react'
import { expect, it } from 'vitest'
import { EmptyArchive } from '@/components/studies/EmptyArchive'
import { keys } from '@/lib/queries'
import type { Status } from '@/lib/types'

const status: Status = {
  version: '0.1.0',
  ae_title: 'RADIOLOGY',
  dimse_port: 104,
  sequence: 0,
  counts: { studies: 0, series: 0, instances: 0, bytes: 0 },
  models: [],
  inference_enabled: true,
}

it('an archive without a study says how to send one, with this server’s own names', () => {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } })
  client.setQueryData(keys.status, status)
  render(
    <QueryClientProvider client={client}>
      <EmptyArchive />
    </QueryClientProvider>,
  )
  const host = window.location.hostname
  expect(screen.getByText(`storescu -aec RADIOLOGY +sd +r ${host} 104 FOLDER`)).toBeTruthy()
  expect(screen.getByText('RADIOLOGY')).toBeTruthy()
  expect(screen.getByText(/Drop DICOM files or folders anywhere/)).toBeTruthy()
})
