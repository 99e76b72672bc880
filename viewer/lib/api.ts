/** The JSON API, as typed calls. Same origin always: the server refuses any other. */

import type {
  EventPage,
  Job,
  JobRequest,
  Peer,
  PeerProbe,
  PeerRequest,
  Peers,
  Report,
  Status,
  StudyDetail,
  StudyPage,
} from '@/lib/types'

/** An answer that is not a success, in the server's own words (RFC 9457). */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

export interface StudiesQuery {
  limit: number
  offset: number
  text: string
}

export function getStatus(signal?: AbortSignal): Promise<Status> {
  return request('/api/status', { signal })
}

export function getStudies(query: StudiesQuery, signal?: AbortSignal): Promise<StudyPage> {
  const parameters = new URLSearchParams({
    limit: String(query.limit),
    offset: String(query.offset),
    ...(query.text ? { q: query.text } : {}),
  })
  return request(`/api/studies?${parameters}`, { signal })
}

export function getStudy(studyUid: string, signal?: AbortSignal): Promise<StudyDetail> {
  return request(`/api/studies/${encodeURIComponent(studyUid)}`, { signal })
}

export function getReport(sopUid: string, signal?: AbortSignal): Promise<Report> {
  return request(`/api/instances/${encodeURIComponent(sopUid)}/report`, { signal })
}

export function getEvents(since: number, limit: number, signal?: AbortSignal): Promise<EventPage> {
  return request(`/api/events?since=${since}&limit=${limit}`, { signal })
}

export function startJob(job: JobRequest): Promise<Job> {
  return request('/api/jobs', { method: 'POST', body: JSON.stringify(job) })
}

export function cancelJob(jobId: string): Promise<Job> {
  return request(`/api/jobs/${encodeURIComponent(jobId)}/cancel`, { method: 'POST' })
}

export function getPeers(signal?: AbortSignal): Promise<Peers> {
  return request('/api/peers', { signal })
}

export function addPeer(peer: PeerRequest): Promise<Peer> {
  return request('/api/peers', { method: 'POST', body: JSON.stringify(peer) })
}

export function changePeer(peer: PeerRequest): Promise<Peer> {
  return request(peerUrl(peer.ae_title), { method: 'PUT', body: JSON.stringify(peer) })
}

export async function removePeer(aeTitle: string): Promise<void> {
  await requestNothing(peerUrl(aeTitle), { method: 'DELETE' })
}

export function testPeer(aeTitle: string): Promise<PeerProbe> {
  return request(`${peerUrl(aeTitle)}/test`, { method: 'POST' })
}

function peerUrl(aeTitle: string): string {
  return `/api/peers/${encodeURIComponent(aeTitle)}`
}

interface Options {
  method?: string
  body?: string
  signal?: AbortSignal | undefined
}

async function request<T>(url: string, options: Options = {}): Promise<T> {
  return (await (await requestNothing(url, options)).json()) as T
}

/** An answer that is a success, whose body is not looked at. */
async function requestNothing(url: string, options: Options): Promise<Response> {
  const answer = await send(url, options)
  if (!answer.ok) throw new ApiError(await problem(answer), answer.status)
  return answer
}

async function send(url: string, { method = 'GET', body, signal }: Options): Promise<Response> {
  const headers = { Accept: 'application/json', ...(body ? { 'Content-Type': 'application/json' } : {}) }
  try {
    return await fetch(url, { method, headers, body: body ?? null, signal: signal ?? null })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError('The server does not answer. Is it running?', 0)
  }
}

/** The sentence of a problem document, or what can be said without one. */
export async function problem(answer: Response): Promise<string> {
  const fallback = `The server answered ${answer.status}${answer.statusText ? ` ${answer.statusText}` : ''}.`
  try {
    return problemText(await answer.json()) ?? fallback
  } catch {
    return fallback
  }
}

/** The sentence inside a problem document that has been read already. */
export function problemText(document: unknown): string | null {
  if (typeof document !== 'object' || document === null) return null
  const { detail, title } = document as { detail?: unknown; title?: unknown }
  if (typeof detail === 'string' && detail) return detail
  return typeof title === 'string' && title ? title : null
}
