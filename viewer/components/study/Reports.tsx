import { ReportCard } from '@/components/study/ReportCard'
import { ResearchMark } from '@/components/ui/Chip'
import { splitRuns } from '@/lib/job-words'
import type { Series, StudyDetail } from '@/lib/types'

/** The structured reports that no current analysis shows: other systems' and replaced ones. */
export function Reports({ study }: { study: StudyDetail }) {
  const reports = study.series.filter((series) => isOther(series, study)).sort((a, b) => b.stored_at.localeCompare(a.stored_at))
  return reports.map(({ series_instance_uid: uid, sop_instance_uids: [sopUid], job_id: job }) =>
    sopUid ? <ReportCard key={uid} sopUid={sopUid} mark={job && <Replaced />} /> : null,
  )
}

function isOther(series: Series, study: StudyDetail): boolean {
  const shown = splitRuns(study.jobs).current.filter((job) => job.label === 'complete')
  return series.modality === 'SR' && !shown.some((job) => job.results.sr?.series_instance_uid === series.series_instance_uid)
}

function Replaced() {
  return (
    <>
      <span className="text-xs text-soft">Replaced by a later run</span>
      <ResearchMark />
    </>
  )
}
