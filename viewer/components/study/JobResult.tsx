import { ReportCard } from '@/components/study/ReportCard'
import { SegPicture } from '@/components/study/SegPicture'
import { formatUnit, formatValue } from '@/lib/job-words'
import { displayText } from '@/lib/text'
import type { Job, Measurement, StudyDetail } from '@/lib/types'

/** What a model found: the segmentation over the image, the measurements, and the report. */
export function JobResult({ job, study }: { job: Job; study: StudyDetail }) {
  const { seg, sr } = job.results
  const series = study.series.find((item) => item.series_instance_uid === seg?.series_instance_uid)
  return (
    <div className="grid grid-cols-[minmax(0,26rem)_minmax(7rem,1fr)] gap-4 border-t border-line p-3 lg:grid-rows-[auto_1fr]">
      <Numbers measurements={job.measurements} />
      {seg && (
        <div className="col-start-1 row-start-1 lg:row-span-2">
          <SegPicture studyUid={study.study_instance_uid} seg={seg} frames={Math.max(1, series?.frame_count ?? 1)} />
        </div>
      )}
      {sr && (
        <div className="col-span-2 min-w-0 lg:col-span-1 lg:col-start-2">
          <ReportCard sopUid={sr.sop_instance_uid} />
        </div>
      )}
    </div>
  )
}

function Numbers({ measurements }: { measurements: Measurement[] }) {
  return (
    <dl className="col-start-2 row-start-1 flex flex-wrap content-start gap-x-8 gap-y-3">
      {measurements.map((measurement) => (
        <div key={measurement.name}>
          <dt className="text-xs text-soft">{displayText(measurement.name)}</dt>
          <dd className="text-2xl leading-tight font-semibold tabular-nums">
            {formatValue(measurement.value)}{' '}
            <span className="text-sm font-normal text-soft">{formatUnit(measurement.unit)}</span>
          </dd>
        </div>
      ))}
    </dl>
  )
}
