/** What a page shows of an upload. */

export type UploadPhase = 'idle' | 'reading' | 'sending' | 'ended'

/** A file that is not simply stored, and why. */
export interface Note {
  kind: 'left out' | 'refused' | 'warning'
  path: string
  reason: string
}

export interface UploadState {
  phase: UploadPhase
  /** Files seen in the search, DICOM or not. */
  found: number
  /** Files that are DICOM, and their bytes. */
  files: number
  bytes: number
  sentBytes: number
  /** Between 0 and 1; never less than it was. */
  progress: number
  /** Files that the server has confirmed. */
  stored: number
  /** Files that it has neither confirmed nor refused. Counted once the upload has ended. */
  unconfirmed: number
  notes: readonly Note[]
  canceled: boolean
  /** What went wrong last with a request as a whole. */
  problem: string | null
}

export const EMPTY: UploadState = {
  phase: 'idle',
  found: 0,
  files: 0,
  bytes: 0,
  sentBytes: 0,
  progress: 0,
  stored: 0,
  unconfirmed: 0,
  notes: [],
  canceled: false,
  problem: null,
}
