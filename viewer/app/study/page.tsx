import type { Metadata } from 'next'
import { Suspense } from 'react'
import { StudyView } from '@/components/study/StudyView'

export const metadata: Metadata = { title: 'Study' }

export default function StudyPage() {
  return (
    <Suspense>
      <StudyView />
    </Suspense>
  )
}
