'use client'

import { useSearchParams } from 'next/navigation'
import { Analyses } from '@/components/study/Analyses'
import { Reports } from '@/components/study/Reports'
import { SeriesRail } from '@/components/study/SeriesRail'
import { StudyHeader } from '@/components/study/StudyHeader'
import { Message } from '@/components/ui/Message'
import { ApiError } from '@/lib/api'
import { useStudy } from '@/lib/queries'

/** One study: its series, what models made of them, and the way to OHIF. */
export function StudyView() {
  const uid = useSearchParams().get('uid') ?? ''
  const { data: study, error } = useStudy(uid)
  if (!uid) return <Message title="No study is named in the address" />
  if (!study && error) {
    const unknown = error instanceof ApiError && error.status === 404
    if (!unknown) return <Message title="The study could not be read">{error.message}</Message>
    return <Message title="This study is not stored here">It will appear on this page if it is sent.</Message>
  }
  if (!study) return <Message title="Reading…" />
  return (
    <>
      <StudyHeader study={study} />
      <div className="flex min-h-0 flex-1">
        <SeriesRail study={study} />
        <div className="min-w-0 flex-1 space-y-3 overflow-y-auto p-3">
          <Analyses study={study} />
          <Reports study={study} />
        </div>
      </div>
    </>
  )
}
