/**
 * Keeps what has been read from the server current with the change feed.
 *
 * A job's progress is written straight into what is kept. Anything else only marks it as old; it
 * is read anew at most once in `REFRESH_MS`, however many instances arrive in that time.
 */

import type { QueryClient, QueryKey } from '@tanstack/react-query'
import { keys } from '@/lib/queries'
import type { FeedEvent, Job, JobLabel, StudyDetail, StudyPage } from '@/lib/types'

export const REFRESH_MS = 600

export class EventApplier {
  private readonly pending = new Map<string, QueryKey>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private busy = false

  constructor(private readonly client: QueryClient) {}

  event(event: FeedEvent): void {
    if (event.job_id && isJobLabel(event.type)) this.patchJob(event, event.type)
    if (event.type === 'running' && this.knows(event)) return
    if (event.type === 'deleted' && !event.series_instance_uid) this.dropStudy(event.study_instance_uid ?? '')
    this.refresh(keys.lists)
    this.refresh(keys.status)
    if (event.study_instance_uid) this.refresh(keys.study(event.study_instance_uid))
  }

  /** Everything may have changed. */
  reset(): void {
    void this.client.invalidateQueries()
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.pending.clear()
  }

  /** True where every place that shows this job has been patched, so that nothing need be read. */
  private knows(event: FeedEvent): boolean {
    const study = this.client.getQueryData<StudyDetail>(keys.study(event.study_instance_uid ?? ''))
    const lists = this.client.getQueriesData<StudyPage>({ queryKey: keys.lists })
    const inLists = lists.every(([, page]) =>
      (page?.items ?? []).every(
        (item) =>
          item.study_instance_uid !== event.study_instance_uid ||
          item.analysis?.job_id === event.job_id,
      ),
    )
    return inLists && (!study || study.jobs.some((job) => job.job_id === event.job_id))
  }

  private patchJob(event: FeedEvent, label: JobLabel): void {
    const patch = (job: Job): Job => (job.job_id === event.job_id ? patched(job, event, label) : job)
    this.client.setQueriesData<StudyPage>({ queryKey: keys.lists }, (page) =>
      page && {
        ...page,
        items: page.items.map((item) =>
          item.analysis ? { ...item, analysis: patch(item.analysis) } : item,
        ),
      },
    )
    this.client.setQueryData<StudyDetail>(keys.study(event.study_instance_uid ?? ''), (study) =>
      study && { ...study, jobs: study.jobs.map(patch) },
    )
  }

  /** The study leaves the lists at once; its page says that it is not stored. */
  private dropStudy(uid: string): void {
    this.client.setQueriesData<StudyPage>({ queryKey: keys.lists }, (page) => {
      const items = page?.items.filter((item) => item.study_instance_uid !== uid)
      return page && items && { ...page, items, total: page.total - (page.items.length - items.length) }
    })
    void this.client.resetQueries({ queryKey: keys.study(uid) })
  }

  private refresh(key: QueryKey): void {
    this.pending.set(JSON.stringify(key), key)
    this.schedule()
  }

  private schedule(): void {
    if (this.timer !== undefined || this.busy || this.pending.size === 0) return
    this.timer = setTimeout(() => void this.flush(), REFRESH_MS)
  }

  private async flush(): Promise<void> {
    this.timer = undefined
    this.busy = true
    const due = [...this.pending.values()]
    this.pending.clear()
    await Promise.allSettled(due.map((queryKey) => this.client.invalidateQueries({ queryKey })))
    this.busy = false
    this.schedule()
  }
}

const JOB_LABELS: readonly string[] = ['queued', 'running', 'complete', 'failed', 'skipped', 'canceled']

function isJobLabel(type: string): type is JobLabel {
  return JOB_LABELS.includes(type)
}

function patched(job: Job, event: FeedEvent, label: JobLabel): Job {
  const { progress, stage, reason } = event.data
  return {
    ...job,
    label,
    progress: typeof progress === 'number' ? progress : job.progress,
    stage: typeof stage === 'string' ? stage : job.stage,
    reason: typeof reason === 'string' ? reason : job.reason,
  }
}
