import { Ban, CircleAlert, CircleCheck, CircleDashed, CircleMinus } from 'lucide-react'
import { Bar } from '@/components/ui/Bar'
import { Hint } from '@/components/ui/Hint'
import { JOB_WORDS, formatMeasurement } from '@/lib/job-words'
import { displayText } from '@/lib/text'
import type { Job } from '@/lib/types'

/** What a model makes of a study, in a line; the whole story on hover. */
export function AnalysisCell({ job }: { job: Job | null }) {
  if (!job) return <span className="text-faint">–</span>
  return (
    <Hint text={<Story job={job} />}>
      <span className="flex min-w-0 items-center gap-1.5" data-testid="analysis" data-label={job.label}>
        <Line job={job} />
      </span>
    </Hint>
  )
}

function Line({ job }: { job: Job }) {
  const reason = displayText(job.reason)
  switch (job.label) {
    case 'running':
      return (
        <>
          <Bar value={job.progress / 100} label="Analysis" className="min-w-10 flex-1" />
          <span className="w-8 text-right text-xs text-accent tabular-nums">{job.progress}%</span>
        </>
      )
    case 'complete':
      return (
        <>
          <CircleCheck className="size-3.5 shrink-0 text-good" aria-hidden />
          <MainResult job={job} />
        </>
      )
    case 'failed':
      return (
        <>
          <CircleAlert className="size-3.5 shrink-0 text-bad" aria-hidden />
          <span className="truncate text-bad">Failed{reason && `: ${reason}`}</span>
        </>
      )
    case 'queued':
      return <Plain icon={CircleDashed} text={JOB_WORDS.queued} />
    case 'skipped':
      return <Plain icon={CircleMinus} text={JOB_WORDS.skipped} />
    case 'canceled':
      return <Plain icon={Ban} text={JOB_WORDS.canceled} />
  }
}

function Plain({ icon: Icon, text }: { icon: typeof Ban; text: string }) {
  return (
    <>
      <Icon className="size-3.5 shrink-0 text-faint" aria-hidden />
      <span className="truncate text-soft">{text}</span>
    </>
  )
}

function MainResult({ job }: { job: Job }) {
  const first = job.measurements[0]
  if (!first) return <span>{JOB_WORDS.complete}</span>
  return (
    <span className="truncate">
      <span className="tabular-nums">{formatMeasurement(first)}</span>{' '}
      <span className="text-faint">{displayText(first.name)}</span>
    </span>
  )
}

function Story({ job }: { job: Job }) {
  const stage = job.label === 'running' ? displayText(job.stage) : ''
  const results = job.label === 'complete' ? job.measurements : []
  return (
    <div className="space-y-0.5">
      <p className="font-medium">
        {[displayText(job.model.title), JOB_WORDS[job.label]].filter(Boolean).join(': ')}
      </p>
      {job.series_description && <p className="text-soft">{displayText(job.series_description)}</p>}
      {stage && <p>{stage}</p>}
      {job.reason && <p>{displayText(job.reason)}</p>}
      {results.map((measurement) => (
        <p key={measurement.name}>
          {displayText(measurement.name)}: {formatMeasurement(measurement)}
        </p>
      ))}
      {results.length > 0 && <p className="text-warn">AI result, unverified, research use</p>}
    </div>
  )
}
