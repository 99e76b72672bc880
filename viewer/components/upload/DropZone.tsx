'use client'

import { Upload } from 'lucide-react'
import { useEffect, useState } from 'react'
import { entriesOf, walk } from '@/lib/upload/collect'
import type { UploadQueue } from '@/lib/upload/queue'

/** The whole window takes files and folders. */
export function DropZone({ queue }: { queue: UploadQueue }) {
  const [over, setOver] = useState(false)

  useEffect(() => {
    // dragenter and dragleave come for every element that is crossed, in pairs.
    let depth = 0
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      depth += 1
      setOver(true)
    }
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return
      depth -= 1
      if (depth <= 0) setOver(false)
    }
    const hover = (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault()
    }
    const drop = (event: DragEvent) => {
      if (!hasFiles(event) || !event.dataTransfer) return
      event.preventDefault()
      depth = 0
      setOver(false)
      const entries = entriesOf(event.dataTransfer)
      void queue.add((onFound, signal) => walk(entries, onFound, signal))
    }
    window.addEventListener('dragenter', enter)
    window.addEventListener('dragleave', leave)
    window.addEventListener('dragover', hover)
    window.addEventListener('drop', drop)
    return () => {
      window.removeEventListener('dragenter', enter)
      window.removeEventListener('dragleave', leave)
      window.removeEventListener('dragover', hover)
      window.removeEventListener('drop', drop)
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
