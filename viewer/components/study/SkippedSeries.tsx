import { ModalityChip } from '@/components/ui/Chip'
import { displayText } from '@/lib/text'
import type { Job, StudyDetail } from '@/lib/types'

/** The series that no model was run on, and why, a line each. */
export function SkippedSeries({ jobs, study }: { jobs: Job[]; study: StudyDetail }) {
  return (
    <article data-testid="skipped" className="rounded-md border border-line bg-panel">
      <h2 className="px-3 pt-2 pb-1 font-medium text-soft">Not analysed</h2>
      <ul className="pb-1.5">
        {jobs.map((job) => (
          <li key={job.job_id} className="flex items-baseline gap-3 px-3 py-1">
            <span className="w-18 shrink-0">
              <ModalityChip modality={modalityOf(job, study)} />
            </span>
            <bdi className="w-48 shrink-0 truncate">
              {displayText(job.series_description) || <span className="text-faint">(no description)</span>}
            </bdi>
            <span className="min-w-0 text-soft">{displayText(job.reason)}</span>
          </li>
        ))}
      </ul>
    </article>
  )
}

function modalityOf(job: Job, study: StudyDetail): string {
  const series = study.series.find((item) => item.series_instance_uid === job.series_instance_uid)
  return displayText(series?.modality) || '?'
}
