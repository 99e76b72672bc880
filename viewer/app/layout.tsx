import type { Metadata } from 'next'
import type { ReactNode } from 'react'
import './globals.css'
import { Providers } from '@/components/shell/Providers'
import { TopBar } from '@/components/shell/TopBar'

export const metadata: Metadata = {
  title: { default: 'Hounsfield', template: '%s · Hounsfield' },
  description: 'An imaging server that reads what it stores',
  robots: { index: false, follow: false },
}

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <Providers>
          <div className="flex h-dvh flex-col">
            <TopBar />
            <main className="flex min-h-0 flex-1 flex-col">{children}</main>
          </div>
        </Providers>
      </body>
    </html>
  )
}
