import type { Metadata } from 'next'
import Link from 'next/link'
import { Message } from '@/components/ui/Message'

export const metadata: Metadata = { title: 'Not found' }

export default function NotFound() {
  return (
    <Message title="There is no such page">
      The address may be mistyped. All studies are on the{' '}
      <Link href="/" className="text-accent underline underline-offset-2">
        study list
      </Link>
      .
    </Message>
  )
}
