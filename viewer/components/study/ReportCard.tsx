'use client'

import type { ReactNode } from 'react'
import { ReportBody } from '@/components/study/ReportBody'
import { formatDate, formatTime } from '@/lib/dicom-dates'
import { useReport } from '@/lib/queries'
import { displayText } from '@/lib/text'
import type { Report } from '@/lib/types'

interface ReportCardProps {
  sopUid: string
  /** What is to be said of it beside its title. */
  mark?: ReactNode
}

/** A structured report as a document. */
export function ReportCard({ sopUid, mark }: ReportCardProps) {
  const { data: report, error } = useReport(sopUid)
  return (
    <article data-testid="report" className="overflow-hidden rounded-md border border-line bg-panel">
      <header className="flex items-center gap-3 border-b border-line px-3 py-2">
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-medium">{displayText(report?.title) || 'Structured report'}</h2>
          {report && <p className="truncate text-xs text-faint tabular-nums">{origin(report)}</p>}
        </div>
        {mark}
      </header>
      {error && <p className="p-3 text-bad">The report could not be read: {error.message}</p>}
      {!report && !error && <p className="p-3 text-soft">Reading the report…</p>}
      {report && <ReportBody report={report} />}
    </article>
  )
}

function origin(report: Report): string {
  const flags = [report.completion_flag, report.verification_flag].map((flag) => displayText(flag).toLowerCase())
  const when = `${formatDate(report.content_date)} ${formatTime(report.content_time)}`.trim()
  return [when, displayText(report.device), ...flags].filter(Boolean).join(', ')
}
