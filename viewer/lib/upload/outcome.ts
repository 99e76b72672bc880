/** What became of each file of one request: the server names instances, people know files. */

import type { InstanceAnswer, StoreAnswer } from '@/lib/upload/stow'

export interface SentFile {
  path: string
  size: number
  file: Blob
  /** Empty where the file's header does not say. */
  sopInstanceUid: string
}

export type Outcome = Pick<InstanceAnswer, 'kind' | 'reason'>

const NO_WORD: Outcome = { kind: 'refused', reason: 'The server did not confirm this file.' }

/**
 * Pairs files and answers by SOP Instance UID, and those with the same one in the order in which
 * they were sent. An answer that fits no file (its header and its data set name different UIDs,
 * or neither can be read) belongs to a file that no answer fits.
 */
export function outcomes(files: readonly SentFile[], answer: StoreAnswer): Map<SentFile, Outcome> {
  const result = new Map<SentFile, Outcome>()
  const unclaimed = [...answer]
  for (const file of files) {
    const at = unclaimed.findIndex((item) => item.sopInstanceUid === file.sopInstanceUid && item.sopInstanceUid)
    if (at >= 0) result.set(file, unclaimed.splice(at, 1)[0] ?? NO_WORD)
  }
  const rest = unclaimed.sort((a, b) => Number(b.kind === 'refused') - Number(a.kind === 'refused'))
  for (const file of files) {
    if (!result.has(file)) result.set(file, rest.shift() ?? NO_WORD)
  }
  return result
}
