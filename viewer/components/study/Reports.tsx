import { ReportCard } from '@/components/study/ReportCard'
import type { Series, StudyDetail } from '@/lib/types'

/** Every structured report of the study; the newest result of a model first. */
export function Reports({ study }: { study: StudyDetail }) {
  const replaced = new Set(study.jobs.map((job) => job.predecessor_job_id))
  const reports = study.series
    .filter((series) => series.modality === 'SR' && series.sop_instance_uids.length > 0)
    .sort((a, b) => b.stored_at.localeCompare(a.stored_at))
  return reports.map((series) => (
    <ReportCard
      key={series.series_instance_uid}
      sopUid={series.sop_instance_uids[0] as string}
      fromModel={series.job_id !== null}
      superseded={isReplaced(series, replaced)}
    />
  ))
}

function isReplaced(series: Series, replaced: ReadonlySet<string | null>): boolean {
  return series.job_id !== null && replaced.has(series.job_id)
}
