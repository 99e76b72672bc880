import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, it, vi } from 'vitest'
import { SearchBox } from '@/components/studies/SearchBox'

it('searches once when typing has paused, and shows everything again on Escape', async () => {
  vi.useFakeTimers({ shouldAdvanceTime: true })
  const user = userEvent.setup({ advanceTimers: (ms) => vi.advanceTimersByTime(ms) })
  const onSearch = vi.fn()
  const view = render(<SearchBox text="" onSearch={onSearch} />)
  await user.type(screen.getByRole('searchbox'), 'demo')
  await vi.advanceTimersByTimeAsync(300)
  expect(onSearch.mock.calls).toEqual([['demo']])
  view.rerender(<SearchBox text="demo" onSearch={onSearch} />)
  await user.keyboard('{Escape}')
  await vi.advanceTimersByTimeAsync(300)
  expect(onSearch).toHaveBeenLastCalledWith('')
  vi.useRealTimers()
})
