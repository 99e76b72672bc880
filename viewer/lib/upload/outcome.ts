/** What became of each file of one request: the server names instances, people know files. */

import type { StoreAnswer } from '@/lib/upload/stow'

export interface SentFile {
  path: string
  size: number
  file: Blob
  /** Empty where the file's header does not say. */
  sopInstanceUid: string
}

export type Outcome = { kind: 'stored' } | { kind: 'warning' | 'refused'; reason: string }

const NO_WORD = 'The server did not confirm this file.'

/**
 * Pairs files and answers by SOP Instance UID. A refusal that fits no file (its header and its
 * data set name different UIDs, or neither can be read) belongs to a file that nothing else fits:
 * the server answers in the order in which the files were sent.
 */
export function outcomes(files: readonly SentFile[], answer: StoreAnswer): Map<SentFile, Outcome> {
  const result = new Map<SentFile, Outcome>()
  const stored = new Set(answer.stored)
  const known = new Set(files.map((file) => file.sopInstanceUid))
  const unclaimed = [
    ...[...answer.refused].filter(([uid]) => !known.has(uid)).map(([, reason]) => reason),
    ...answer.nameless,
  ]
  let unnamedStored = answer.stored.filter((uid) => !known.has(uid)).length
  for (const file of files) {
    const named = namedOutcome(file, answer, stored)
    if (named) result.set(file, named)
  }
  for (const file of files.filter((candidate) => !result.has(candidate))) {
    const reason = unclaimed.shift()
    if (reason !== undefined) result.set(file, { kind: 'refused', reason })
    else if (unnamedStored-- > 0) result.set(file, { kind: 'stored' })
    else result.set(file, { kind: 'refused', reason: NO_WORD })
  }
  return result
}

function namedOutcome(file: SentFile, answer: StoreAnswer, stored: Set<string>): Outcome | null {
  const uid = file.sopInstanceUid
  if (!uid) return null
  const refusal = answer.refused.get(uid)
  if (refusal !== undefined) return { kind: 'refused', reason: refusal }
  const warning = answer.warned.get(uid)
  if (warning !== undefined) return { kind: 'warning', reason: warning }
  return stored.has(uid) ? { kind: 'stored' } : null
}
