import { SeriesCard } from '@/components/study/SeriesCard'
import type { Series, StudyDetail } from '@/lib/types'

/** All series of the study: what was acquired first, then what was made of it. */
export function SeriesRail({ study }: { study: StudyDetail }) {
  const series = [...study.series].sort(byOriginThenNumber)
  return (
    <aside
      aria-label="Series"
      className="w-56 shrink-0 overflow-y-auto border-r border-line bg-panel/50 p-2 lg:w-72"
    >
      <ul className="space-y-2">
        {series.map((item) => (
          <SeriesCard
            key={item.series_instance_uid}
            studyUid={study.study_instance_uid}
            series={item}
            jobs={study.jobs.filter((job) => job.series_instance_uid === item.series_instance_uid)}
          />
        ))}
      </ul>
    </aside>
  )
}

function byOriginThenNumber(a: Series, b: Series): number {
  const made = Number(a.job_id !== null) - Number(b.job_id !== null)
  const number = a.series_number.localeCompare(b.series_number, 'en', { numeric: true })
  return made || number || a.series_instance_uid.localeCompare(b.series_instance_uid)
}
