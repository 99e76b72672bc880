'use client'

import { Upload } from 'lucide-react'
import { useEffect, useState } from 'react'
import { entriesOf, walk } from '@/lib/upload/collect'
import type { UploadQueue } from '@/lib/upload/queue'

/** A drag that ends elsewhere may end without a word; while it is here, dragover comes all the time. */
const SILENCE_MS = 700

/** The whole window takes files and folders. */
export function DropZone({ queue }: { queue: UploadQueue }) {
  const [over, setOver] = useState(false)

  useEffect(() => {
    let silence: ReturnType<typeof setTimeout> | undefined
    const show = (shown: boolean) => {
      clearTimeout(silence)
      setOver(shown)
      if (shown) silence = setTimeout(() => setOver(false), SILENCE_MS)
    }
    const hover = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      show(true)
    }
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) show(false)
    }
    const drop = (event: DragEvent) => {
      if (!hasFiles(event) || !event.dataTransfer) return
      event.preventDefault()
      show(false)
      const entries = entriesOf(event.dataTransfer)
      void queue.add((onFound, signal) => walk(entries, onFound, signal))
    }
    const listeners = { dragenter: hover, dragover: hover, dragleave: leave, drop }
    for (const [type, listener] of Object.entries(listeners)) {
      window.addEventListener(type, listener as EventListener)
    }
    return () => {
      clearTimeout(silence)
      for (const [type, listener] of Object.entries(listeners)) {
        window.removeEventListener(type, listener as EventListener)
      }
    }
  }, [queue])

  if (!over) return null
  return (
    <div className="pointer-events-none fixed inset-0 z-50 bg-ground/80 p-4" data-testid="drop-zone">
      <div className="flex h-full flex-col items-center justify-center gap-3 rounded-lg border-2 border-dashed border-accent">
        <Upload className="size-9 text-accent" aria-hidden />
        <p className="text-base font-semibold">Drop DICOM files or folders to store them</p>
        <p className="text-soft">Folders are searched through. What is not DICOM is left out and listed.</p>
      </div>
    </div>
  )
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false
}
