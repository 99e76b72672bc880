import type { ReactNode } from 'react'

/** A page, or a part of one, that has only a sentence to say. */
export function Message({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="flex flex-1 flex-col items-center justify-center gap-2 p-10 text-center">
      <h1 className="text-base font-semibold">{title}</h1>
      {children && <p className="max-w-lg text-soft">{children}</p>}
    </div>
  )
}
