/** Sorts what was found into what is sent and what is left out. */

import type { FoundFile } from '@/lib/upload/collect'
import { checkFile } from '@/lib/upload/file-meta'
import type { SentFile } from '@/lib/upload/outcome'
import type { Note } from '@/lib/upload/state'

const AT_ONCE = 32

export interface Checked {
  files: SentFile[]
  notes: Note[]
}

/** A few files at a time, so that the first are sent while the last are looked at. */
export async function* check(found: readonly FoundFile[], signal: AbortSignal): AsyncGenerator<Checked> {
  for (let at = 0; at < found.length; at += AT_ONCE) {
    signal.throwIfAborted()
    const checked: Checked = { files: [], notes: [] }
    await Promise.all(found.slice(at, at + AT_ONCE).map((item) => checkOne(item, checked)))
    yield checked
  }
}

async function checkOne({ file, path }: FoundFile, checked: Checked): Promise<void> {
  const result = await checkFile(file)
  if (!result.ok) checked.notes.push({ kind: 'left out', path, reason: result.reason })
  else checked.files.push({ file, path, size: file.size, sopInstanceUid: result.sopInstanceUid })
}
