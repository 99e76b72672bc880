import { QueryClient, QueryObserver } from '@tanstack/react-query'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EventApplier, REFRESH_MS } from '@/lib/apply-events'
import { keys } from '@/lib/queries'
import type { EventType, FeedEvent, Job, StudyDetail, StudyPage } from '@/lib/types'
import { aJob, aStudy } from '@/lib/samples'

const LIST = keys.list({ limit: 50, offset: 0, text: '' })

function event(type: EventType, job: Job | null, data: Record<string, unknown> = {}): FeedEvent {
  return {
    sequence: 1,
    type,
    time: '2026-05-05T10:00:00Z',
    study_instance_uid: '1.2',
    series_instance_uid: null,
    sop_instance_uid: null,
    job_id: job?.job_id ?? null,
    data,
  }
}

describe('events', () => {
  const read = vi.fn()
  let client: QueryClient
  let applier: EventApplier
  let unsubscribe: () => void
  const job = aJob({ job_id: 'j1', label: 'running', progress: 10 })

  beforeEach(() => {
    vi.useFakeTimers()
    client = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } })
    applier = new EventApplier(client)
    const page: StudyPage = { items: [aStudy({ study_instance_uid: '1.2', analysis: job })], total: 1, sequence: 0 }
    read.mockReset().mockResolvedValue(page)
    client.setQueryData(LIST, page)
    const detail: StudyDetail = { ...aStudy({ study_instance_uid: '1.2' }), series: [], jobs: [job], sequence: 0 }
    client.setQueryData(keys.study('1.2'), detail)
    unsubscribe = new QueryObserver(client, { queryKey: LIST, queryFn: read }).subscribe(() => {})
  })

  afterEach(() => {
    unsubscribe()
    applier.stop()
    vi.useRealTimers()
  })

  it('of progress are shown at once, in list and study, without asking the server', async () => {
    applier.event(event('running', job, { progress: 40, stage: 'Segmenting' }))
    expect(client.getQueryData<StudyPage>(LIST)?.items[0]?.analysis).toMatchObject({ progress: 40, stage: 'Segmenting' })
    expect(client.getQueryData<StudyDetail>(keys.study('1.2'))?.jobs[0]?.progress).toBe(40)
    await vi.advanceTimersByTimeAsync(REFRESH_MS * 3)
    expect(read).not.toHaveBeenCalled()
  })

  it('of a job that is not yet known make the list be read', async () => {
    applier.event(event('running', aJob({ job_id: 'other' }), { progress: 5 }))
    await vi.advanceTimersByTimeAsync(REFRESH_MS)
    expect(read).toHaveBeenCalledTimes(1)
  })

  it('of a thousand instances make the list be read once, and once more for those after', async () => {
    for (let index = 0; index < 1000; index += 1) applier.event(event('stored', null))
    await vi.advanceTimersByTimeAsync(REFRESH_MS)
    expect(read).toHaveBeenCalledTimes(1)
    applier.event(event('stored', null))
    await vi.advanceTimersByTimeAsync(REFRESH_MS)
    expect(read).toHaveBeenCalledTimes(2)
  })

  it('that end a job show its reason at once and read the whole', async () => {
    applier.event(event('failed', job, { reason: 'The slices are uneven.' }))
    expect(client.getQueryData<StudyPage>(LIST)?.items[0]?.analysis).toMatchObject({
      label: 'failed',
      reason: 'The slices are uneven.',
    })
    await vi.advanceTimersByTimeAsync(REFRESH_MS)
    expect(read).toHaveBeenCalledTimes(1)
  })

  it('of a deleted study take it from the list at once and forget what was read of it', async () => {
    applier.event(event('deleted', null, { instance_count: 3 }))
    expect(client.getQueryData<StudyPage>(LIST)).toMatchObject({ items: [], total: 0 })
    expect(client.getQueryData(keys.study('1.2'))).toBeUndefined()
    await vi.advanceTimersByTimeAsync(REFRESH_MS)
    expect(read).toHaveBeenCalledTimes(1)
  })

  it('after a reset everything is read', async () => {
    applier.reset()
    await vi.advanceTimersByTimeAsync(0)
    expect(read).toHaveBeenCalledTimes(1)
  })
})
