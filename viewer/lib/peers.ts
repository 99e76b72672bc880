/** The AE book in words, and as a form. */

import { displayText } from '@/lib/text'
import type { Peer, PeerRequest } from '@/lib/types'

export const RIGHTS = [
  { name: 'may_store', word: 'store', detail: 'send us instances (C-STORE)' },
  { name: 'may_find', word: 'find', detail: 'query (C-FIND)' },
  { name: 'may_get', word: 'get', detail: 'retrieve (C-GET)' },
  { name: 'may_move', word: 'move', detail: 'retrieve (C-MOVE)' },
  { name: 'may_commit', word: 'commit', detail: 'ask for storage commitment' },
  { name: 'may_receive', word: 'receive', detail: 'be sent instances, by C-MOVE and by us' },
] as const

export type Right = (typeof RIGHTS)[number]['name']

/** `10.1.2.3, port 104, TLS`, or why there is no such place. */
export function where(peer: Peer): string {
  if (!peer.host) return 'calls us alone'
  return `${displayText(peer.host)}, port ${peer.port}${peer.tls ? ', TLS' : ''}`
}

/** What shows that a caller is this peer. */
export function boundTo(peer: Peer): string {
  return [...peer.addresses, peer.certificate].filter(Boolean).map(shortened).join(', ')
}

/** A fingerprint is known by its beginning. */
function shortened(bound: string): string {
  return bound.startsWith('sha256:') ? `${bound.slice(0, 19)}…` : displayText(bound)
}

export interface PeerForm extends Record<Right, boolean> {
  ae_title: string
  host: string
  port: string
  tls: boolean
  addresses: string
  certificate: string
  max_associations: string
  preferred_transfer_syntaxes: string
  description: string
}

export const EMPTY_FORM: PeerForm = {
  ae_title: '',
  host: '',
  port: '104',
  tls: false,
  addresses: '',
  certificate: '',
  may_store: true,
  may_find: false,
  may_get: false,
  may_move: false,
  may_commit: false,
  may_receive: false,
  max_associations: '',
  preferred_transfer_syntaxes: '',
  description: '',
}

export function formOf(peer: Peer): PeerForm {
  return {
    ...peer,
    port: String(peer.port),
    addresses: peer.addresses.join(', '),
    max_associations: peer.max_associations === null ? '' : String(peer.max_associations),
    preferred_transfer_syntaxes: peer.preferred_transfer_syntaxes.join(', '),
  }
}

/** What the server is asked for. Bound to nothing is written as the host, where that is an address. */
export function requestOf(form: PeerForm): PeerRequest {
  const addresses = listed(form.addresses)
  const certificate = form.certificate.trim()
  return {
    ...form,
    ae_title: form.ae_title.trim(),
    host: form.host.trim(),
    port: Number(form.port),
    addresses: addresses.length > 0 || certificate ? addresses : null,
    certificate,
    max_associations: form.max_associations.trim() ? Number(form.max_associations) : null,
    preferred_transfer_syntaxes: listed(form.preferred_transfer_syntaxes),
    description: form.description.trim(),
  }
}

function listed(text: string): string[] {
  return text.split(/[\s,;]+/).filter(Boolean)
}
