'use client'

import { FileUp, FolderUp } from 'lucide-react'
import { type ChangeEvent, useRef } from 'react'
import { useUpload } from '@/components/upload/UploadProvider'
import { Button } from '@/components/ui/Button'
import { chosen } from '@/lib/upload/collect'

/** For those who do not drag: file and folder dialogs. */
export function UploadButtons() {
  const queue = useUpload()
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)

  const take = (event: ChangeEvent<HTMLInputElement>) => {
    const found = chosen(event.target.files ?? new DataTransfer().files)
    // So that the same choice can be made again.
    event.target.value = ''
    if (found.length === 0) return
    void queue.add((onFound) => {
      onFound(found.length)
      return Promise.resolve(found)
    })
  }

  return (
    <div className="flex gap-1.5">
      <input ref={files} type="file" multiple hidden onChange={take} aria-label="DICOM files" />
      <input ref={folder} type="file" webkitdirectory="" hidden onChange={take} aria-label="DICOM folder" />
      <Button onClick={() => files.current?.click()}>
        <FileUp aria-hidden /> Files…
      </Button>
      <Button onClick={() => folder.current?.click()}>
        <FolderUp aria-hidden /> Folder…
      </Button>
    </div>
  )
}
