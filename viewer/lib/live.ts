/**
 * The change feed, held open: every event once and in order, over any number of lost connections.
 *
 * The feed remembers the number of the last event it handed on and asks for what came after it.
 * Where no WebSocket gets through, it asks `/api/events` with the same number instead.
 */

import { backoff } from '@/lib/backoff'
import type { EventPage, FeedEvent } from '@/lib/types'

/** Longer than two of the server's pings. */
export const SILENCE_MS = 45_000
export const POLL_MS = 3_000
export const PAGE = 500
const ATTEMPTS_BEFORE_POLLING = 2

export type FeedPhase = 'stopped' | 'connecting' | 'live' | 'retrying' | 'polling'

export interface FeedState {
  phase: FeedPhase
  /** When the next attempt is due (ms since 1970), while there is one. */
  retryAt: number | null
}

export interface FeedPorts {
  open(url: string): WebSocket
  events(since: number, limit: number): Promise<EventPage>
  random?: () => number
}

export interface FeedListener {
  event(event: FeedEvent): void
  /** The numbering does not reach back to where we were: read everything anew. */
  reset(): void
}

type ServerMessage =
  | { type: 'hello'; sequence: number }
  | { type: 'reset'; sequence: number }
  | { type: 'ping'; sequence: number }
  | FeedEvent

export class LiveFeed {
  private last = 0
  private attempt = 0
  private socket: WebSocket | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private silence: ReturnType<typeof setTimeout> | undefined
  private run = 0
  private current: FeedState = { phase: 'stopped', retryAt: null }
  private readonly observers = new Set<() => void>()

  constructor(
    private readonly ports: FeedPorts,
    private readonly listener: FeedListener,
  ) {}

  /** Hand on what comes after `since`. */
  start(since: number): void {
    this.stop()
    this.last = since
    this.attempt = 0
    this.connect()
  }

  stop(): void {
    this.run += 1
    this.drop()
    this.show('stopped')
  }

  /** Try now rather than later: the network is back, or the page is looked at again. */
  wake(): void {
    if (this.current.phase === 'retrying' || this.current.phase === 'polling') void this.retry()
  }

  get state(): FeedState {
    return this.current
  }

  get sequence(): number {
    return this.last
  }

  readonly observe = (observer: () => void): (() => void) => {
    this.observers.add(observer)
    return () => this.observers.delete(observer)
  }

  private connect(): void {
    this.drop()
    if (this.current.phase !== 'polling') this.show('connecting')
    const socket = this.ports.open(`/api/live?since=${this.last}`)
    this.socket = socket
    socket.onmessage = (message) => {
      if (socket === this.socket) this.receive(String(message.data))
    }
    socket.onclose = () => {
      if (socket === this.socket) this.lost()
    }
    this.listenForSilence()
  }

  private receive(text: string): void {
    this.listenForSilence()
    const message = JSON.parse(text) as ServerMessage
    if (message.type === 'hello') {
      this.attempt = 0
      this.show('live')
    } else if (message.type === 'reset') {
      this.attempt = 0
      this.restart(message.sequence)
      this.show('live')
    } else if (message.type !== 'ping') {
      this.handOn(message)
    }
  }

  /** Each event once: what was handed on before is left out, a hole means reading anew. */
  private handOn(event: FeedEvent): void {
    if (event.sequence <= this.last) return
    const whole = event.sequence === this.last + 1
    this.last = event.sequence
    this.listener.event(event)
    if (!whole) this.listener.reset()
  }

  private restart(sequence: number): void {
    this.last = sequence
    this.listener.reset()
  }

  private lost(): void {
    this.drop()
    const delay = this.current.phase === 'polling' ? POLL_MS : backoff(this.attempt, this.ports.random)
    this.attempt += 1
    this.show(this.current.phase === 'polling' ? 'polling' : 'retrying', Date.now() + delay)
    this.timer = setTimeout(() => void this.retry(), delay)
  }

  private async retry(): Promise<void> {
    this.drop()
    const run = this.run
    if (this.attempt >= ATTEMPTS_BEFORE_POLLING) {
      const answered = await this.poll()
      if (run !== this.run || this.socket) return
      this.show(answered ? 'polling' : 'retrying')
    }
    this.connect()
  }

  private async poll(): Promise<boolean> {
    const run = this.run
    try {
      for (;;) {
        const page = await this.ports.events(this.last, PAGE)
        if (run !== this.run) return false
        if (page.reset) this.restart(page.last_sequence)
        else page.events.forEach((event) => this.handOn(event))
        if (page.reset || page.events.length < PAGE) return true
      }
    } catch {
      return false
    }
  }

  private listenForSilence(): void {
    clearTimeout(this.silence)
    this.silence = setTimeout(() => this.lost(), SILENCE_MS)
  }

  private drop(): void {
    clearTimeout(this.timer)
    clearTimeout(this.silence)
    const socket = this.socket
    this.socket = null
    socket?.close()
  }

  private show(phase: FeedPhase, retryAt: number | null = null): void {
    if (phase === this.current.phase && retryAt === this.current.retryAt) return
    this.current = { phase, retryAt }
    this.observers.forEach((observer) => observer())
  }
}
