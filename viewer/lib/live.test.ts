import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LiveFeed, PAGE, POLL_MS, SILENCE_MS } from '@/lib/live'
import type { EventPage, FeedEvent } from '@/lib/types'

/** A server with a numbered log; sockets made by `open` read it as the real one does. */
class Server {
  log: number[] = []
  sockets: Socket[] = []
  reachable = true
  socketsAllowed = true

  open = (url: string): WebSocket => {
    const socket = new Socket(Number(new URL(url, 'http://host').searchParams.get('since')))
    this.sockets.push(socket)
    queueMicrotask(() => this.accept(socket))
    return socket as unknown as WebSocket
  }

  events = (since: number, limit: number): Promise<EventPage> => {
    if (!this.reachable) return Promise.reject(new Error('unreachable'))
    const events = this.log.filter((number) => number > since).slice(0, limit).map(event)
    return Promise.resolve({ events, last_sequence: this.log.at(-1) ?? 0, reset: false })
  }

  append(...numbers: number[]): void {
    this.log.push(...numbers)
    for (const socket of this.sockets) numbers.forEach((number) => socket.say(event(number)))
  }

  dropAll(): void {
    this.sockets.forEach((socket) => socket.end())
  }

  private accept(socket: Socket): void {
    if (!this.reachable || !this.socketsAllowed) return socket.end()
    socket.open = true
    socket.say({ type: 'hello', sequence: this.log.at(-1) ?? 0 })
    this.log.filter((number) => number > socket.since).forEach((number) => socket.say(event(number)))
  }
}

class Socket {
  onmessage: ((message: { data: string }) => void) | null = null
  onclose: (() => void) | null = null
  open = false

  constructor(readonly since: number) {}

  say(message: object): void {
    if (this.open) this.onmessage?.({ data: JSON.stringify(message) })
  }

  end(): void {
    this.open = false
    this.onclose?.()
  }

  close(): void {
    this.open = false
  }
}

function event(sequence: number): FeedEvent {
  return { sequence, type: 'stored', time: '', study_instance_uid: '1.2', series_instance_uid: null,
    sop_instance_uid: null, job_id: null, data: {} }
}

describe('the live feed', () => {
  let server: Server
  let seen: number[]
  let resets: number
  let feed: LiveFeed

  beforeEach(() => {
    vi.useFakeTimers()
    server = new Server()
    seen = []
    resets = 0
    const listener = {
      event: (item: FeedEvent) => void seen.push(item.sequence),
      reset: () => void (resets += 1),
    }
    feed = new LiveFeed({ open: server.open, events: server.events, random: () => 0.5 }, listener)
  })

  afterEach(() => {
    feed.stop()
    vi.useRealTimers()
  })

  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

  it('starts behind the given number and says that it is live', async () => {
    server.log = [1, 2, 3, 4]
    feed.start(2)
    expect(feed.state.phase).toBe('connecting')
    await pass(0)
    expect(feed.state.phase).toBe('live')
    expect(seen).toEqual([3, 4])
  })

  it('resumes after lost connections without a gap and without a repeat', async () => {
    feed.start(0)
    await pass(0)
    server.append(1, 2)
    server.dropAll()
    server.log.push(3, 4)
    expect(feed.state.phase).toBe('retrying')
    expect(feed.state.retryAt).toBeGreaterThan(Date.now())
    await pass(1000)
    server.append(5)
    server.dropAll()
    await pass(2000)
    server.append(6)
    expect(seen).toEqual([1, 2, 3, 4, 5, 6])
    expect(resets).toBe(0)
  })

  it('leaves out an event that comes twice', async () => {
    feed.start(0)
    await pass(0)
    server.append(1, 2)
    server.sockets[0]?.say(event(2))
    server.sockets[0]?.say(event(1))
    expect(seen).toEqual([1, 2])
  })

  it('reads everything anew where a number is missing', async () => {
    feed.start(0)
    await pass(0)
    server.append(1, 3)
    expect(resets).toBe(1)
    expect(feed.sequence).toBe(3)
  })

  it('reads everything anew when the server says that the number is too old', async () => {
    feed.start(5)
    await pass(0)
    server.sockets[0]?.say({ type: 'reset', sequence: 900 })
    server.sockets[0]?.say(event(901))
    expect(resets).toBe(1)
    expect(seen).toEqual([901])
  })

  it('ends a connection that has gone silent and opens another', async () => {
    feed.start(0)
    await pass(SILENCE_MS - 1)
    expect(server.sockets).toHaveLength(1)
    await pass(2000)
    expect(server.sockets).toHaveLength(2)
    expect(feed.state.phase).toBe('live')
  })

  it('asks for events over HTTP where no socket gets through, and returns to sockets', async () => {
    server.socketsAllowed = false
    feed.start(0)
    await pass(5000)
    server.log.push(...Array.from({ length: PAGE + 3 }, (_, index) => index + 1))
    await pass(POLL_MS)
    expect(feed.state.phase).toBe('polling')
    expect(seen).toHaveLength(PAGE + 3)
    server.socketsAllowed = true
    await pass(POLL_MS * 2)
    expect(feed.state.phase).toBe('live')
    server.append(PAGE + 4)
    expect(seen).toEqual(server.log)
  })

  it('waits longer and longer while the server is away, and comes back when woken', async () => {
    server.reachable = false
    feed.start(0)
    await pass(60_000)
    expect(server.sockets.length).toBeLessThan(10)
    expect(feed.state.phase).toBe('retrying')
    server.reachable = true
    server.log = [1]
    feed.wake()
    await pass(0)
    expect(feed.state.phase).toBe('live')
    expect(seen).toEqual([1])
  })

  it('hands on nothing once stopped', async () => {
    feed.start(0)
    await pass(0)
    feed.stop()
    server.append(1)
    await pass(60_000)
    expect(seen).toEqual([])
    expect(server.sockets).toHaveLength(1)
  })
})
