import type { Metadata } from 'next'
import { ServerStatus } from '@/components/shell/ServerStatus'

export const metadata: Metadata = { title: 'Server' }

export default function AboutPage() {
  return <ServerStatus />
}
