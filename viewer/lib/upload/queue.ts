/**
 * Files on their way to the archive: checked, sent in batches, confirmed one by one.
 *
 * A file counts as stored only when the server has named it in its answer. What was not confirmed
 * (no connection, cancel) can be sent again as it is: storing an instance twice stores it once.
 */

import { backoff } from '@/lib/backoff'
import { PARALLEL, batchLength } from '@/lib/upload/batches'
import { check } from '@/lib/upload/check'
import type { FoundFile } from '@/lib/upload/collect'
import { Meter } from '@/lib/upload/meter'
import { type SentFile, outcomes } from '@/lib/upload/outcome'
import { EMPTY, type Note, type UploadState } from '@/lib/upload/state'
import { type Store, type StoreAnswer, StoreError } from '@/lib/upload/stow'

const TRIES = 4

export type Finder = (onFound: (count: number) => void, signal: AbortSignal) => Promise<FoundFile[]>
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>

export class UploadQueue {
  private state: UploadState = EMPTY
  private waiting: SentFile[] = []
  private unconfirmed: SentFile[] = []
  private meter = new Meter()
  private stop = new AbortController()
  private searches = 0
  private lanes = 0
  private readonly observers = new Set<() => void>()

  constructor(
    private readonly store: Store,
    private readonly wait: Wait = pause,
  ) {}

  readonly snapshot = (): UploadState => this.state

  readonly observe = (observer: () => void): (() => void) => {
    this.observers.add(observer)
    return () => this.observers.delete(observer)
  }

  /** Search, check and send; joins an upload that is under way. */
  async add(find: Finder): Promise<void> {
    if (this.lanes === 0 && this.searches === 0) this.begin()
    const { signal } = this.stop
    const before = this.state.found
    this.searches += 1
    try {
      const found = await find((count) => this.show({ found: before + count }), signal)
      for await (const { files, notes } of check(found, signal)) this.take(files, notes)
    } catch (error) {
      if (!signal.aborted) this.show({ problem: `What was chosen could not be read: ${String(error)}` })
    }
    this.searches -= 1
    this.pump()
  }

  /** Stop; what is not confirmed stays on the list. */
  cancel(): void {
    if (this.lanes === 0 && this.searches === 0) return
    this.unconfirmed.push(...this.waiting.splice(0))
    this.show({ canceled: true })
    this.stop.abort()
  }

  /** Send what was not confirmed once more. */
  resend(): void {
    if (this.state.phase !== 'ended') return
    this.stop = new AbortController()
    this.waiting = this.unconfirmed.splice(0)
    this.show({ canceled: false, problem: null })
    this.pump()
  }

  /** Forget an upload that has ended. */
  dismiss(): void {
    if (this.state.phase !== 'ended') return
    this.clear()
    this.show({})
  }

  private begin(): void {
    this.stop = new AbortController()
    this.clear()
    this.show({ phase: 'reading' })
  }

  private clear(): void {
    this.meter = new Meter()
    this.unconfirmed = []
    this.state = EMPTY
  }

  private take(files: SentFile[], notes: Note[]): void {
    this.waiting.push(...files)
    this.meter.expect(size(files))
    this.addNotes(notes)
    this.show({ files: this.state.files + files.length })
    this.pump()
  }

  /** As many requests at once as may be; each lane takes batches until none is left. */
  private pump(): void {
    while (this.lanes < PARALLEL && this.isWork()) {
      this.lanes += 1
      void this.lane(this.stop.signal)
    }
    const idle = this.searches > 0 ? 'reading' : 'ended'
    this.show({ phase: this.lanes > 0 ? 'sending' : idle })
  }

  /** A small batch waits for the search, which is quicker than a request. */
  private isWork(): boolean {
    if (this.stop.signal.aborted) return false
    return this.waiting.length >= (this.searches > 0 ? 20 : 1)
  }

  private async lane(signal: AbortSignal): Promise<void> {
    while (this.isWork()) {
      const length = batchLength(this.waiting.map((file) => file.size))
      await this.deliver(this.waiting.splice(0, length), signal)
    }
    this.lanes -= 1
    this.pump()
  }

  /** One batch, again and again while there is hope. */
  private async deliver(files: SentFile[], signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < TRIES && !signal.aborted; attempt += 1) {
      if (attempt > 0) await this.wait(backoff(attempt - 1), signal)
      const answer = await this.send(files, signal)
      if (!(answer instanceof Error)) return this.confirm(files, answer)
      if (signal.aborted) break
      if (!(answer instanceof StoreError && answer.retriable)) return this.refused(files, answer, signal)
      this.show({ problem: answer.message })
    }
    this.unconfirmed.push(...files)
  }

  private async send(files: SentFile[], signal: AbortSignal): Promise<StoreAnswer | Error> {
    const bytes = size(files)
    const onSent = (sent: number) => {
      this.meter.sending(files, Math.min(sent, bytes))
      this.show({})
    }
    try {
      const answer = await this.store(files.map(({ file }) => file), onSent, signal)
      this.meter.ended(files, bytes)
      return answer
    } catch (error) {
      this.meter.ended(files, 0)
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  private confirm(files: SentFile[], answer: StoreAnswer): void {
    const results = [...outcomes(files, answer)]
    const stored = results.filter(([, outcome]) => outcome.kind !== 'refused').length
    this.addNotes(
      results.flatMap(([{ path }, outcome]) =>
        outcome.kind === 'stored' ? [] : [{ path, kind: outcome.kind, reason: outcome.reason }],
      ),
    )
    this.show({ stored: this.state.stored + stored, problem: null })
  }

  /** A request that will never pass: one by one, so that only the offender fails. */
  private async refused(files: SentFile[], error: Error, signal: AbortSignal): Promise<void> {
    if (files.length > 1) {
      for (const file of files) await this.deliver([file], signal)
      return
    }
    this.meter.ended(files, size(files))
    this.addNotes(files.map(({ path }) => ({ kind: 'refused', path, reason: error.message })))
  }

  private addNotes(notes: Note[]): void {
    if (notes.length > 0) this.show({ notes: [...this.state.notes, ...notes] })
  }

  private show(change: Partial<UploadState>): void {
    const { progress, expected } = this.meter
    const unconfirmed = this.unconfirmed.length
    this.state = { ...this.state, progress, bytes: expected, unconfirmed, ...change }
    this.state = { ...this.state, sentBytes: Math.round(progress * expected) }
    this.observers.forEach((observer) => observer())
  }
}

function size(files: readonly SentFile[]): number {
  return files.reduce((sum, file) => sum + file.size, 0)
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    }, { once: true })
  })
}
