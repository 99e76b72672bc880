'use client'

import { Tooltip } from 'radix-ui'
import type { ReactElement, ReactNode } from 'react'

/** A tooltip, on hover and on focus. */
export function Hint({ text, children }: { text: ReactNode; children: ReactElement }) {
  if (!text) return children
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content
          sideOffset={5}
          collisionPadding={8}
          className="z-50 max-w-sm rounded border border-edge bg-raised px-2.5 py-1.5 text-xs text-ink shadow-xl shadow-black/60"
        >
          {text}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  )
}
