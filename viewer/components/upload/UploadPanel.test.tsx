import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, it, vi } from 'vitest'
import { UploadPanel } from '@/components/upload/UploadPanel'
import { UploadQueue } from '@/lib/upload/queue'
import { EMPTY, type UploadState } from '@/lib/upload/state'

function show(state: Partial<UploadState>) {
  const queue = new UploadQueue(() => Promise.reject(new Error('not sent in this test')))
  render(<UploadPanel queue={queue} state={{ ...EMPTY, ...state }} />)
  return queue
}

it('says how far it is, and can be canceled', async () => {
  const queue = show({ phase: 'sending', files: 200, bytes: 2e6, sentBytes: 5e5, progress: 0.25, stored: 40 })
  const cancel = vi.spyOn(queue, 'cancel')
  expect(screen.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('25')
  expect(screen.getByText('40 of 200 confirmed · 500 kB of 2.0 MB')).toBeTruthy()
  await userEvent.click(screen.getByRole('button', { name: 'Cancel' }))
  expect(cancel).toHaveBeenCalled()
})

it('offers to send the unconfirmed again', async () => {
  const queue = show({ phase: 'ended', files: 25, stored: 20, unconfirmed: 5, problem: 'The connection was lost.' })
  const resend = vi.spyOn(queue, 'resend')
  expect(screen.getByText('The connection was lost.')).toBeTruthy()
  await userEvent.click(screen.getByRole('button', { name: 'Send 5 files again' }))
  expect(resend).toHaveBeenCalled()
})

it('counts what was refused, quarantined and left out', () => {
  show({
    phase: 'ended',
    files: 3,
    stored: 1,
    notes: [
      { kind: 'left out', path: 'a.txt', reason: 'Not a DICOM file.' },
      { kind: 'refused', path: 'b.dcm', reason: 'Unreadable.' },
      { kind: 'warning', path: 'c.dcm', reason: 'Other content.' },
    ],
  })
  expect(screen.getByText('1 file refused · 1 file in quarantine · 1 file left out')).toBeTruthy()
})

it('does not offer to close what is still under way', () => {
  show({ phase: 'sending', files: 1 })
  expect(screen.queryByRole('button', { name: 'Close' })).toBeNull()
})
