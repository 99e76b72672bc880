'use client'

import clsx from 'clsx'
import { toast } from 'sonner'
import { JobResult } from '@/components/study/JobResult'
import { RunButton } from '@/components/study/RunButton'
import { ResearchMark } from '@/components/ui/Chip'
import { Bar } from '@/components/ui/Bar'
import { Button } from '@/components/ui/Button'
import { formatDuration, formatStamp } from '@/lib/dicom-dates'
import { JOB_WORDS, isOpen } from '@/lib/job-words'
import { useCancelJob } from '@/lib/queries'
import { displayText } from '@/lib/text'
import type { Job, JobLabel, StudyDetail } from '@/lib/types'

const TONES: Record<JobLabel, string> = {
  queued: 'text-soft',
  running: 'text-accent',
  complete: 'text-good',
  failed: 'text-bad',
  skipped: 'text-soft',
  canceled: 'text-soft',
}

/** One run of a model: how far it is, what came out, or why nothing did. */
export function JobCard({ job, study }: { job: Job; study: StudyDetail }) {
  return (
    <article
      data-testid="job"
      data-label={job.label}
      className="overflow-hidden rounded-md border border-line bg-panel"
    >
      <header className="flex items-center gap-3 px-3 py-2">
        <div className="min-w-0 flex-1">
          <h2 className="truncate">
            <span className="font-medium">{displayText(job.model.title)}</span>{' '}
            <span className="text-faint">{displayText(job.model.version)}</span>
            {job.series_description && (
              <span className="text-soft">
                {' '}
                on <bdi>{displayText(job.series_description)}</bdi>
              </span>
            )}
          </h2>
          <p className="text-xs text-faint tabular-nums">{history(job)}</p>
        </div>
        {job.label === 'complete' && <ResearchMark />}
        <span className={clsx('text-xs font-medium', TONES[job.label])}>{JOB_WORDS[job.label]}</span>
        {isOpen(job) ? (
          <CancelButton job={job} />
        ) : (
          <RunButton study={study} seriesUid={job.series_instance_uid} label="Run again…" />
        )}
      </header>
      {job.label === 'running' && <Progress job={job} />}
      {job.label === 'queued' && <p className="px-3 pb-3 text-soft">Waiting for a free worker.</p>}
      {job.reason && <Reason job={job} />}
      {job.label === 'complete' && <JobResult job={job} study={study} />}
    </article>
  )
}

function Progress({ job }: { job: Job }) {
  return (
    <div className="px-3 pb-3">
      <div className="flex justify-between pb-1.5 tabular-nums">
        <span aria-live="polite">{displayText(job.stage) || 'Starting'}</span>
        <span className="text-accent">{job.progress}%</span>
      </div>
      <Bar value={job.progress / 100} label={`${job.model.title}, progress`} />
    </div>
  )
}

function Reason({ job }: { job: Job }) {
  const failed = job.label === 'failed'
  return (
    <p className={clsx('mx-3 mb-3 border-l-2 pl-3', failed ? 'border-bad' : 'border-edge text-soft')}>
      {displayText(job.reason)}
    </p>
  )
}

function CancelButton({ job }: { job: Job }) {
  const cancel = useCancelJob(job.study_instance_uid)
  const ask = () =>
    cancel.mutate(job.job_id, {
      onError: (error) => toast.error('Could not be canceled', { description: error.message }),
    })
  return (
    <Button onClick={ask} disabled={cancel.isPending}>
      {cancel.isPending ? 'Canceling…' : 'Cancel'}
    </Button>
  )
}

function history(job: Job): string {
  const took = formatDuration(job.started_at, job.ended_at)
  return [
    job.ended_at ? `Ended ${formatStamp(job.ended_at)}` : `Asked for ${formatStamp(job.created_at)}`,
    took && job.label === 'complete' ? `took ${took}` : '',
    job.attempt > 1 ? `attempt ${job.attempt}` : '',
  ]
    .filter(Boolean)
    .join(', ')
}
