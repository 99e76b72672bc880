/** A `multipart/related` body (RFC 2387) out of files, none of which is read into memory. */

const PART = 'Content-Type: application/dicom'

export interface MultipartBody {
  body: Blob
  contentType: string
}

/** The browser reads each file from the disk while it sends. */
export function multipart(files: readonly Blob[], boundary = newBoundary()): MultipartBody {
  const parts = files.flatMap((file) => [`--${boundary}\r\n${PART}\r\n\r\n`, file, '\r\n'])
  return {
    body: new Blob([...parts, `--${boundary}--\r\n`]),
    contentType: `multipart/related; type="application/dicom"; boundary=${boundary}`,
  }
}

/** 128 random bits: no file contains it by chance. */
function newBoundary(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `hounsfield-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
