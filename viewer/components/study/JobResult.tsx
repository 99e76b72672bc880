import { SegPicture } from '@/components/study/SegPicture'
import { formatUnit, formatValue } from '@/lib/job-words'
import { displayText } from '@/lib/text'
import type { Job, StudyDetail } from '@/lib/types'

/** What a model found: the segmentation over the image, and the measurements. */
export function JobResult({ job, study }: { job: Job; study: StudyDetail }) {
  const seg = job.results.seg
  const series = study.series.find((item) => item.series_instance_uid === seg?.series_instance_uid)
  return (
    <div className="flex flex-col gap-4 border-t border-line p-3 lg:flex-row">
      {seg && (
        <SegPicture studyUid={study.study_instance_uid} seg={seg} frames={Math.max(1, series?.frame_count ?? 1)} />
      )}
      <dl className="space-y-3 lg:pt-1">
        {job.measurements.map((measurement) => (
          <div key={measurement.name}>
            <dt className="text-xs text-soft">{displayText(measurement.name)}</dt>
            <dd className="text-2xl leading-tight font-semibold tabular-nums">
              {formatValue(measurement.value)}{' '}
              <span className="text-sm font-normal text-soft">{formatUnit(measurement.unit)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
