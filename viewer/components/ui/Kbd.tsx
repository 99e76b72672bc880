import type { ReactNode } from 'react'

export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className="rounded-sm border border-edge bg-raised px-1 font-mono text-2xs leading-4 text-soft">
      {children}
    </kbd>
  )
}
