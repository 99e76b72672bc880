import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { Tooltip } from 'radix-ui'
import { expect, it, vi } from 'vitest'
import { PeersView } from '@/components/peers/PeersView'
import type { Peer, PeerProbe } from '@/lib/types'

const PACS: Peer = {
  ae_title: 'PACS',
  host: 'pacs.example',
  port: 104,
  tls: true,
  addresses: ['10.1.2.0/24'],
  certificate: '',
  may_store: true,
  may_find: true,
  may_get: false,
  may_move: false,
  may_commit: false,
  may_receive: true,
  max_associations: null,
  preferred_transfer_syntaxes: [],
  description: 'the archive',
}
const CT: Peer = { ...PACS, ae_title: 'CT1', host: '', addresses: [], may_find: false, may_receive: false, description: '' }

interface Call {
  method: string
  url: string
  body: unknown
}

/** The page, before a server that answers so; what it was asked. */
function show(items: Peer[], answers: Record<string, { status: number; body: unknown }> = {}): Call[] {
  const calls: Call[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation((url, options) => {
    const method = options?.method ?? 'GET'
    calls.push({ method, url: String(url), body: options?.body ? JSON.parse(String(options.body)) : null })
    const answer = answers[`${method} ${String(url)}`] ?? { status: 200, body: { items, only_known: false } }
    const body = answer.status === 204 ? null : JSON.stringify(answer.body)
    return Promise.resolve(new Response(body, { status: answer.status }))
  })
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  render(
    <QueryClientProvider client={client}>
      <Tooltip.Provider>
        <PeersView />
      </Tooltip.Provider>
    </QueryClientProvider>,
  )
  return calls
}

it('lists what each peer may do, and what it is bound to', async () => {
  show([CT, PACS])
  expect(await screen.findByText('2 peers')).toBeTruthy()
  expect(screen.getByText('pacs.example, port 104, TLS')).toBeTruthy()
  expect(screen.getByText('10.1.2.0/24')).toBeTruthy()
  expect(screen.getByText('calls us alone')).toBeTruthy()
  expect(screen.getByText('nothing')).toBeTruthy()
  const tests = screen.getAllByRole('button', { name: 'Test' })
  expect(tests.map((button) => (button as HTMLButtonElement).disabled)).toEqual([true, false])
})

it('an empty book says what a peer is, and who may call', async () => {
  show([])
  expect(await screen.findByText('No peer yet')).toBeTruthy()
  expect(screen.getAllByText(/that are not listed may do everything/).length).toBeGreaterThan(0)
})

it('adds what was filled in, bound to its host without an address or a certificate', async () => {
  const calls = show([], { 'POST /api/peers': { status: 201, body: PACS } })
  await userEvent.click(await screen.findByRole('button', { name: 'Add a peer' }))
  await userEvent.type(screen.getByLabelText('AE title'), 'MR1')
  await userEvent.type(screen.getByLabelText(/^Host/), '10.0.0.4')
  await userEvent.clear(screen.getByLabelText('Port'))
  await userEvent.type(screen.getByLabelText('Port'), '11112')
  await userEvent.click(screen.getByLabelText(/^find/))
  await userEvent.click(screen.getByRole('button', { name: 'Add' }))
  const added = calls.find(({ method }) => method === 'POST')
  expect(added?.body).toMatchObject({
    ae_title: 'MR1',
    host: '10.0.0.4',
    port: 11112,
    addresses: null,
    may_store: true,
    may_find: true,
    may_move: false,
    max_associations: null,
  })
  expect(screen.queryByRole('dialog')).toBeNull()
})

it('changes a peer, and keeps the form open with the reason where that is refused', async () => {
  const refusal = { status: 400, body: { detail: 'port: 1 to 65535' } }
  const calls = show([PACS], { 'PUT /api/peers/PACS': refusal })
  await userEvent.click(await screen.findByRole('button', { name: 'Change PACS' }))
  expect((screen.getByLabelText('AE title') as HTMLInputElement).readOnly).toBe(true)
  await userEvent.type(screen.getByLabelText(/^Calls from/), ' ::1')
  await userEvent.click(screen.getByRole('button', { name: 'Save' }))
  expect((await screen.findByRole('alert')).textContent).toBe('port: 1 to 65535')
  expect(calls.find(({ method }) => method === 'PUT')?.body).toMatchObject({ addresses: ['10.1.2.0/24', '::1'] })
})

it('removes a peer only once that is confirmed', async () => {
  const calls = show([PACS], { 'DELETE /api/peers/PACS': { status: 204, body: null } })
  await userEvent.click(await screen.findByRole('button', { name: 'Remove PACS' }))
  expect(calls.some(({ method }) => method === 'DELETE')).toBe(false)
  await userEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Remove' }))
  expect(calls.filter(({ method }) => method === 'DELETE')).toHaveLength(1)
  expect(screen.queryByRole('dialog')).toBeNull()
})

it('a test says whether the peer answers, what it accepts, and else what to do', async () => {
  const found: PeerProbe = {
    answered: true,
    message: 'PACS (pacs.example, port 104) answers',
    advice: '',
    milliseconds: 12.3,
    implementation: 'OTHER_1',
    findings: [
      { service: 'store', accepted: true, detail: 'CT, MR' },
      { service: 'get', accepted: false, detail: '' },
    ],
  }
  show([PACS], { 'POST /api/peers/PACS/test': { status: 200, body: found } })
  await userEvent.click(await screen.findByRole('button', { name: 'Test' }))
  expect(await screen.findByText(/in 12 ms, OTHER_1/)).toBeTruthy()
  expect(screen.getByText('CT, MR')).toBeTruthy()
  expect(screen.getByText('not accepted')).toBeTruthy()
})

it('a test that fails says why and what to do', async () => {
  const failed: PeerProbe = {
    answered: false,
    message: 'PACS cannot be reached: nothing listens on port 104',
    advice: 'Check host and port.',
    milliseconds: 0,
    implementation: '',
    findings: [],
  }
  show([PACS], { 'POST /api/peers/PACS/test': { status: 200, body: failed } })
  await userEvent.click(await screen.findByRole('button', { name: 'Test' }))
  expect(await screen.findByText(/nothing listens/)).toBeTruthy()
  expect(screen.getByText('Check host and port.')).toBeTruthy()
})
