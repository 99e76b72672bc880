'use client'

import clsx from 'clsx'
import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { Brand } from '@/components/shell/Brand'
import { Connection } from '@/components/shell/Connection'
import { useStatus } from '@/lib/queries'

const PAGES = [
  { href: '/', name: 'Studies' },
  { href: '/peers/', name: 'Peers' },
  { href: '/about/', name: 'Server' },
]

export function TopBar() {
  const here = usePathname()
  const { data: status } = useStatus()
  return (
    <header className="flex h-10 shrink-0 items-center gap-5 border-b border-line bg-panel px-3">
      <Link href="/" aria-label="Hounsfield, to the study list" className="rounded">
        <Brand />
      </Link>
      <nav className="flex h-full items-stretch gap-1" aria-label="Pages">
        {PAGES.map(({ href, name }) => (
          <Link
            key={href}
            href={href}
            aria-current={here === href ? 'page' : undefined}
            className={clsx(
              'flex items-center border-b-2 px-2 text-xs font-medium transition-colors',
              here === href ? 'border-accent text-ink' : 'border-transparent text-soft hover:text-ink',
            )}
          >
            {name}
          </Link>
        ))}
      </nav>
      <div className="flex-1" />
      {status && (
        <span className="hidden font-mono text-2xs text-faint sm:inline">
          {status.ae_title}:{status.dimse_port}
        </span>
      )}
      <Connection />
    </header>
  )
}
