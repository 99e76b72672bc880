'use client'

/** Which rows are new since the list was opened, so that they can be shown as such for a moment. */

import { useEffect, useState } from 'react'

export const HIGHLIGHT_MS = 4000

/**
 * The ids that came to a list that is already on the screen. Another list (`listKey`: another page
 * or search) brings other rows, and none of those is news.
 */
export function useArrivals(listKey: string, ids: readonly string[] | undefined): ReadonlySet<string> {
  const [known, setKnown] = useState<{ key: string; ids: ReadonlySet<string> } | null>(null)
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set())

  if (ids && (known?.key !== listKey || ids.some((id) => !known.ids.has(id)))) {
    const news = known?.key === listKey ? ids.filter((id) => !known.ids.has(id)) : []
    setKnown({ key: listKey, ids: new Set([...(known?.key === listKey ? known.ids : []), ...ids]) })
    if (news.length > 0) setFresh(new Set([...fresh, ...news]))
  }

  useEffect(() => {
    if (fresh.size === 0) return
    const timer = setTimeout(() => setFresh(new Set()), HIGHLIGHT_MS)
    return () => clearTimeout(timer)
  }, [fresh])

  return fresh
}
