/**
 * The beginning of a DICOM file: `DICM` at byte 128 and the File Meta Information (PS3.10 7.1).
 *
 * Only what an upload needs is read: whether it is DICOM at all, and the SOP Instance UID, by
 * which the server's answer names the instances that it refused.
 */

/** Enough for the File Meta Information of any file met so far. */
export const HEAD_BYTES = 4096
const META = 132
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV'])
const MEDIA_DIRECTORY = '1.2.840.10008.1.3.10'

export interface FileMeta {
  sopClassUid: string
  sopInstanceUid: string
}

export type FileCheck = { ok: true; sopInstanceUid: string } | { ok: false; reason: string }

/** Whether to send a file, from its first bytes. */
export async function checkFile(file: File): Promise<FileCheck> {
  if (file.size === 0) return { ok: false, reason: 'The file is empty.' }
  let head: ArrayBuffer
  try {
    head = await file.slice(0, HEAD_BYTES).arrayBuffer()
  } catch {
    return { ok: false, reason: 'The browser may not read this file.' }
  }
  if (!isDicom(head)) return { ok: false, reason: 'Not a DICOM file (no “DICM” at byte 128).' }
  const meta = readFileMeta(head)
  if (meta.sopClassUid === MEDIA_DIRECTORY) {
    return { ok: false, reason: 'A DICOMDIR, the index of a disc: its images are sent, it is not.' }
  }
  return { ok: true, sopInstanceUid: meta.sopInstanceUid }
}

export function isDicom(head: ArrayBuffer): boolean {
  return head.byteLength >= META && text(new Uint8Array(head, 128, 4)) === 'DICM'
}

/** What can be read of the File Meta Information, which is Explicit VR Little Endian always. */
export function readFileMeta(head: ArrayBuffer): FileMeta {
  const view = new DataView(head)
  const meta: FileMeta = { sopClassUid: '', sopInstanceUid: '' }
  let at = META
  while (at + 12 <= view.byteLength && view.getUint16(at, true) === 0x0002) {
    const element = view.getUint16(at + 2, true)
    const long = LONG_VRS.has(text(new Uint8Array(head, at + 4, 2)))
    const start = at + (long ? 12 : 8)
    const length = long ? view.getUint32(at + 8, true) : view.getUint16(at + 6, true)
    if (start + length > view.byteLength) break
    const value = () => text(new Uint8Array(head, start, length)).replace(/[\0 ]+$/, '')
    if (element === 0x0002) meta.sopClassUid = value()
    if (element === 0x0003) meta.sopInstanceUid = value()
    at = start + length
  }
  return meta
}

function text(data: Uint8Array): string {
  return String.fromCharCode(...data)
}
