import { JobCard } from '@/components/study/JobCard'
import { SkippedSeries } from '@/components/study/SkippedSeries'
import { RunButton } from '@/components/study/RunButton'
import { JOB_WORDS, isOpen, splitRuns } from '@/lib/job-words'
import { formatStamp } from '@/lib/dicom-dates'
import { displayText } from '@/lib/text'
import type { Job, StudyDetail } from '@/lib/types'

/** What models make of the study: what runs now first, runs that were replaced last. */
export function Analyses({ study }: { study: StudyDetail }) {
  const { current, earlier } = splitRuns(study.jobs)
  const ran = current.filter((job) => job.label !== 'skipped')
  const skipped = current.filter((job) => job.label === 'skipped')
  if (study.jobs.length === 0) return <NoAnalysis study={study} />
  return (
    <section aria-label="Analyses" className="space-y-3">
      {ran.map((job) => (
        <JobCard key={job.job_id} job={job} study={study} />
      ))}
      {skipped.length > 0 && <SkippedSeries jobs={skipped} study={study} />}
      {earlier.length > 0 && <EarlierRuns jobs={earlier} />}
    </section>
  )
}

function NoAnalysis({ study }: { study: StudyDetail }) {
  const receiving = study.series.some((series) => !series.settled)
  return (
    <section className="rounded-md border border-dashed border-edge p-6 text-center">
      <h2 className="font-medium">{receiving ? 'The study is arriving' : 'No model has looked at this study'}</h2>
      <p className="mt-1 mb-3 text-soft">
        {receiving
          ? 'A model starts by itself once a series that it is meant for is complete.'
          : 'You can run one on a series.'}
      </p>
      {!receiving && <RunButton study={study} />}
    </section>
  )
}

function EarlierRuns({ jobs }: { jobs: Job[] }) {
  return (
    <details className="rounded-md border border-line bg-panel px-3 py-2">
      <summary className="cursor-pointer text-xs text-soft">Earlier runs ({jobs.length})</summary>
      <ul className="mt-2 space-y-1 text-xs">
        {jobs.map((job) => (
          <li key={job.job_id} className="flex gap-3">
            <time className="text-faint tabular-nums">{formatStamp(job.created_at)}</time>
            <span>
              {displayText(job.model.title)} on {displayText(job.series_description) || 'a series'}
            </span>
            <span className="text-soft">{isOpen(job) ? `${job.progress}%` : JOB_WORDS[job.label]}</span>
            <span className="min-w-0 flex-1 truncate text-faint">{displayText(job.reason)}</span>
          </li>
        ))}
      </ul>
    </details>
  )
}
