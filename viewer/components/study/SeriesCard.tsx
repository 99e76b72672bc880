'use client'

import { ImageOff } from 'lucide-react'
import { useState } from 'react'
import { AnalysisCell } from '@/components/studies/AnalysisCell'
import { ModalityChip } from '@/components/ui/Chip'
import { ohifPath } from '@/lib/paths'
import { splitRuns } from '@/lib/job-words'
import { count, displayText } from '@/lib/text'
import type { Job, Series } from '@/lib/types'

/** A series: what it looks like, what it is, whether it is whole, and what a model makes of it. */
export function SeriesCard({ studyUid, series, jobs }: { studyUid: string; series: Series; jobs: Job[] }) {
  const [job] = splitRuns(jobs).current
  return (
    <li
      data-series={series.series_instance_uid}
      className="flex gap-2.5 overflow-hidden rounded-md border border-line bg-panel p-2"
    >
      <a
        href={ohifPath(studyUid, series.series_instance_uid)}
        target="_blank"
        rel="noopener"
        title="Open in OHIF"
        className="size-16 shrink-0 overflow-hidden rounded-sm bg-black hover:ring-1 hover:ring-accent lg:size-20"
      >
        <Thumbnail series={series} />
      </a>
      <div className="min-w-0 flex-1">
        <p className="flex items-center gap-1.5">
          <ModalityChip modality={displayText(series.modality) || '?'} />
          {series.series_number && <span className="text-2xs text-faint">#{displayText(series.series_number)}</span>}
          {series.job_id && <span className="text-2xs font-medium text-warn">AI</span>}
        </p>
        <p className="mt-0.5 line-clamp-2 leading-tight font-medium wrap-anywhere">
          <bdi>{displayText(series.series_description) || <span className="text-faint">(no description)</span>}</bdi>
        </p>
        <p className="mt-0.5 text-xs text-soft tabular-nums">{size(series)}</p>
        {!series.settled && <p className="animate-breathe text-xs text-accent">Receiving…</p>}
        {job && (
          <div className="mt-1 text-xs">
            <AnalysisCell job={job} />
          </div>
        )}
      </div>
    </li>
  )
}

function Thumbnail({ series }: { series: Series }) {
  const [broken, setBroken] = useState<string | null>(null)
  const address = series.thumbnail && `${series.thumbnail}?viewport=160,160`
  return (
    <span className="flex size-full items-center justify-center">
      {address && broken !== address ? (
        <img
          src={address}
          alt=""
          className="max-h-full max-w-full object-contain"
          onError={() => setBroken(address)}
        />
      ) : (
        <ImageOff className="size-5 text-edge" aria-label="No preview" />
      )}
    </span>
  )
}

/** A report is no image: it has an instance and no frame. */
function size(series: Series): string {
  const instances = count(series.instance_count, series.frame_count > 0 ? 'image' : 'document')
  return series.frame_count > series.instance_count
    ? `${instances}, ${count(series.frame_count, 'frame')}`
    : instances
}
