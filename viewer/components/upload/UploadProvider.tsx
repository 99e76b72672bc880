'use client'

import { type ReactNode, createContext, useContext, useEffect, useState, useSyncExternalStore } from 'react'
import { DropZone } from '@/components/upload/DropZone'
import { UploadPanel } from '@/components/upload/UploadPanel'
import { UploadQueue } from '@/lib/upload/queue'
import { EMPTY } from '@/lib/upload/state'
import { store } from '@/lib/upload/stow'

const UploadContext = createContext<UploadQueue | null>(null)

/** The one upload of the app; it lives on while pages change. */
export function useUpload(): UploadQueue {
  const queue = useContext(UploadContext)
  if (!queue) throw new Error('useUpload outside UploadProvider')
  return queue
}

export function UploadProvider({ children }: { children: ReactNode }) {
  const [queue] = useState(() => new UploadQueue(store))
  const state = useSyncExternalStore(queue.observe, queue.snapshot, () => EMPTY)
  const busy = state.phase === 'reading' || state.phase === 'sending'

  useEffect(() => {
    if (!busy) return
    const ask = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener('beforeunload', ask)
    return () => window.removeEventListener('beforeunload', ask)
  }, [busy])

  return (
    <UploadContext value={queue}>
      {children}
      <DropZone queue={queue} />
      {state.phase !== 'idle' && <UploadPanel queue={queue} state={state} />}
    </UploadContext>
  )
}
