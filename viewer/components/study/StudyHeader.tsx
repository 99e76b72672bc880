import { ChevronLeft, ExternalLink } from 'lucide-react'
import Link from 'next/link'
import type { ReactNode } from 'react'
import { RunButton } from '@/components/study/RunButton'
import { buttonClass } from '@/components/ui/Button'
import { PersonName } from '@/components/ui/PersonName'
import { ageAt, formatDate, formatTime } from '@/lib/dicom-dates'
import { ohifPath } from '@/lib/paths'
import { count, displayText } from '@/lib/text'
import type { StudyDetail } from '@/lib/types'

const SEXES: Record<string, string> = { F: 'female', M: 'male', O: 'other' }

/** Who, what and when, and what can be done. */
export function StudyHeader({ study }: { study: StudyDetail }) {
  return (
    <header className="flex shrink-0 items-center gap-3 border-b border-line bg-panel px-3 py-2">
      <Link href="/" aria-label="Back to the study list" className={buttonClass('quiet', 'px-1')}>
        <ChevronLeft aria-hidden />
      </Link>
      <div className="min-w-0 flex-1">
        <h1 className="flex min-w-0 items-baseline gap-3">
          <span className="truncate text-base font-semibold">
            <PersonName value={study.patient_name} />
          </span>
          <bdi className="shrink-0 font-mono text-xs text-soft">{displayText(study.patient_id)}</bdi>
          <span className="shrink-0 text-xs text-soft">{personal(study)}</span>
        </h1>
        <p className="flex gap-x-4 truncate text-xs text-soft">
          <Fact>
            {formatDate(study.study_date)} {formatTime(study.study_time)}
          </Fact>
          {study.study_description && (
            <Fact>
              <bdi className="text-ink">{displayText(study.study_description)}</bdi>
            </Fact>
          )}
          {study.accession_number && <Fact>Accession {displayText(study.accession_number)}</Fact>}
          <Fact>
            {count(study.series_count, 'series', 'series')}, {count(study.instance_count, 'image')}
          </Fact>
        </p>
      </div>
      <div className="flex shrink-0 gap-1.5">
        <RunButton study={study} />
        <a
          href={ohifPath(study.study_instance_uid)}
          target="_blank"
          rel="noopener"
          className={buttonClass('primary')}
        >
          <ExternalLink aria-hidden /> Open in OHIF
        </a>
      </div>
    </header>
  )
}

function Fact({ children }: { children: ReactNode }) {
  return <span className="truncate tabular-nums">{children}</span>
}

function personal(study: StudyDetail): string {
  const age = ageAt(study.patient_birth_date, study.study_date)
  const born = formatDate(study.patient_birth_date)
  return [
    SEXES[study.patient_sex ?? ''] ?? '',
    age === null ? '' : `${age} y`,
    born ? `born ${born}` : '',
  ]
    .filter(Boolean)
    .join(', ')
}
