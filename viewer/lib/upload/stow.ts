/**
 * One STOW-RS request (PS3.18 10.5) and what its answer says of each instance.
 *
 * XMLHttpRequest, since `fetch` does not tell how much of a body has been sent.
 */

import { problemText } from '@/lib/api'
import { multipart } from '@/lib/upload/multipart'

/** What the server says of one instance. */
export interface InstanceAnswer {
  /** Empty where the server could not name it. */
  sopInstanceUid: string
  kind: 'stored' | 'warning' | 'refused'
  /** Why, unless it is simply stored. */
  reason: string
}

/** All that were stored, in the order in which they were sent, then all that were not. */
export type StoreAnswer = readonly InstanceAnswer[]

/** The request as a whole did not come through. */
export class StoreError extends Error {
  constructor(
    message: string,
    /** True where the same request may succeed later: no connection, or the server is busy. */
    readonly retriable: boolean,
  ) {
    super(message)
    this.name = 'StoreError'
  }
}

export type Store = (
  files: readonly Blob[],
  onSent: (bytes: number) => void,
  signal: AbortSignal,
) => Promise<StoreAnswer>

export const store: Store = (files, onSent, signal) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const abort = () => request.abort()
    const { body, contentType } = multipart(files)
    request.open('POST', '/dicom-web/studies')
    request.setRequestHeader('Content-Type', contentType)
    request.setRequestHeader('Accept', 'application/dicom+json')
    request.upload.onprogress = (event) => onSent(event.loaded)
    request.onload = () => {
      const answer = readAnswer(request.status, request.responseText)
      if (answer instanceof StoreError) reject(answer)
      else resolve(answer)
    }
    request.onerror = () => reject(new StoreError('The connection to the server was lost.', true))
    request.onabort = () => reject(new DOMException('canceled', 'AbortError'))
    request.onloadend = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort)
    if (signal.aborted) reject(new DOMException('canceled', 'AbortError'))
    else request.send(body)
  })

type Attribute = { Value?: unknown[] } | undefined
type Dataset = Record<string, Attribute>

/** PS3.18 10.5.3.2: the Store Instances Response Module, or what a problem document says. */
export function readAnswer(status: number, body: string): StoreAnswer | StoreError {
  const dataset = parse(body)
  const isResponse = ['00081198', '00081199', '0008119A'].some((tag) => dataset?.[tag] !== undefined)
  if (!dataset || !isResponse || status === 503) {
    const said = problemText(dataset) ?? firstReason(dataset)
    return new StoreError(said ?? `The server answered ${status} without a word why.`, mayPass(status))
  }
  return [
    ...items(dataset['00081199']).map(storedAnswer),
    ...items(dataset['00081198']).map(refusal),
    ...items(dataset['0008119A']).map(refusal),
  ]
}

function storedAnswer(item: Dataset): InstanceAnswer {
  const warned = item['00081196'] !== undefined
  return { sopInstanceUid: uidOf(item), kind: warned ? 'warning' : 'stored', reason: warned ? WARNING : '' }
}

function refusal(item: Dataset): InstanceAnswer {
  return { sopInstanceUid: uidOf(item), kind: 'refused', reason: reasonOf(item) }
}

/** Too many requests, or something on the server's side that may be over soon. */
function mayPass(status: number): boolean {
  return status === 429 || status >= 500
}

function firstReason(dataset: Dataset | null): string | null {
  const failed = [...items(dataset?.['00081198']), ...items(dataset?.['0008119A'])]
  return failed[0] ? reasonOf(failed[0]) : null
}

const WARNING =
  'Other content under a SOP Instance UID that is stored already: the first is kept, this one was put aside in quarantine.'

/** PS3.18 Table 10.5.3-1 and PS3.4 Table B.2-1, in plain words. */
export function reasonText(code: number): string {
  if ((code & 0xff00) === 0xa700) return 'The server has no space left, or the instance is too large.'
  if ((code & 0xff00) === 0xa900) return 'The data set contradicts its own header or the study it was sent to.'
  if (code === 0xc122) return 'Its transfer syntax cannot be stored.'
  if ((code & 0xf000) === 0xc000) return 'The server could not read it as DICOM.'
  if (code === 0x0122) return 'Its SOP class is not one that is stored.'
  if (code === 0x0124) return 'Not authorised.'
  if (code === 0x0110) return 'The server failed while storing it.'
  return `Refused (failure reason ${code.toString(16).toUpperCase().padStart(4, '0')}H).`
}

/** The general reason, and the server's own sentence where it sent one (Error Comment). */
function reasonOf(item: Dataset): string {
  const comments = items(item['00741048']).map((failed) => failed['00000902']?.Value?.[0])
  const own = comments.filter((comment) => typeof comment === 'string').join(' ').trim()
  const code = item['00081197']?.Value?.[0]
  if (own) return own.charAt(0).toUpperCase() + own.slice(1) + (/[.!?]$/.test(own) ? '' : '.')
  return typeof code === 'number' ? reasonText(code) : 'Refused without a reason.'
}

function uidOf(item: Dataset): string {
  const uid = item['00081155']?.Value?.[0]
  return typeof uid === 'string' ? uid : ''
}

function items(attribute: Attribute): Dataset[] {
  return (attribute?.Value ?? []).filter(isDataset)
}

function isDataset(value: unknown): value is Dataset {
  return typeof value === 'object' && value !== null
}

function parse(body: string): Dataset | null {
  try {
    const value: unknown = JSON.parse(body)
    return isDataset(value) ? value : null
  } catch {
    return null
  }
}
