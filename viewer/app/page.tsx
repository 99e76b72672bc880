import type { Metadata } from 'next'
import { Suspense } from 'react'
import { StudyList } from '@/components/studies/StudyList'

export const metadata: Metadata = { title: 'Studies' }

export default function StudiesPage() {
  return (
    <Suspense>
      <StudyList />
    </Suspense>
  )
}
