import { beforeEach, describe, expect, it } from 'vitest'
import { UploadQueue } from '@/lib/upload/queue'
import { dicomFile } from '@/lib/upload/samples'
import { type StoreAnswer, StoreError } from '@/lib/upload/stow'
import { readFileMeta } from '@/lib/upload/file-meta'

const allStored = (uids: string[]): StoreAnswer =>
  uids.map((sopInstanceUid) => ({ sopInstanceUid, kind: 'stored', reason: '' }))

/** A server that reads the files it is sent, and can be told to misbehave. */
class Server {
  requests: string[][] = []
  atOnce = 0
  mostAtOnce = 0
  misbehave: ((request: number, uids: string[]) => Error | StoreAnswer | null)[] = []
  hold: Promise<void> | null = null

  store = async (files: readonly Blob[], onSent: (bytes: number) => void, signal: AbortSignal) => {
    this.atOnce += 1
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce)
    try {
      const uids = await Promise.all(files.map(async (file) => readFileMeta(await file.arrayBuffer()).sopInstanceUid))
      onSent(files.reduce((sum, file) => sum + file.size, 0) / 2)
      await (this.hold ?? Promise.resolve())
      if (signal.aborted) throw new DOMException('canceled', 'AbortError')
      this.requests.push(uids)
      const answer = this.misbehave.shift()?.(this.requests.length, uids) ?? allStored(uids)
      if (answer instanceof Error) throw answer
      return answer
    } finally {
      this.atOnce -= 1
    }
  }
}

describe('an upload', () => {
  let server: Server
  let queue: UploadQueue
  let progress: number[]

  beforeEach(() => {
    server = new Server()
    queue = new UploadQueue(server.store, () => Promise.resolve())
    progress = []
    queue.observe(() => void progress.push(queue.snapshot().progress))
  })

  const files = (count: number) => Array.from({ length: count }, (_, index) => dicomFile(`${index}.dcm`, `1.2.${index}`))
  const add = (chosen: File[]) =>
    queue.add(() => Promise.resolve(chosen.map((file) => ({ file, path: `folder/${file.name}` }))))
  const ended = async () => {
    while (queue.snapshot().phase !== 'ended') await new Promise((resolve) => setTimeout(resolve, 1))
    return queue.snapshot()
  }

  it('sends 20 to 50 files a request, three at once, and every file once', async () => {
    server.hold = new Promise((resolve) => setTimeout(resolve, 50))
    void add(files(200))
    const state = await ended()
    expect(state).toMatchObject({ files: 200, stored: 200, unconfirmed: 0, progress: 1, notes: [] })
    expect(server.mostAtOnce).toBe(3)
    expect(Math.max(...server.requests.map((request) => request.length))).toBeLessThanOrEqual(50)
    expect(server.requests.length).toBeLessThanOrEqual(10)
    expect(new Set(server.requests.flat()).size).toBe(200)
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
  })

  it('names what was left out and sends the rest', async () => {
    void add([...files(2), new File(['notes'], 'readme.txt')])
    const state = await ended()
    expect(state.stored).toBe(2)
    expect(state.notes).toMatchObject([{ kind: 'left out', path: 'folder/readme.txt' }])
  })

  it('names what the server refused and why', async () => {
    server.misbehave = [
      () => [...allStored(['1.2.0']), { sopInstanceUid: '1.2.1', kind: 'refused', reason: 'Not readable.' }],
    ]
    void add(files(2))
    const state = await ended()
    expect(state).toMatchObject({ stored: 1, unconfirmed: 0 })
    expect(state.notes).toEqual([{ kind: 'refused', path: 'folder/1.dcm', reason: 'Not readable.' }])
  })

  it('tries again when the connection breaks, without the bar running back', async () => {
    const broken = () => new StoreError('The connection to the server was lost.', true)
    server.misbehave = [broken, broken]
    void add(files(30))
    const state = await ended()
    expect(state).toMatchObject({ stored: 30, unconfirmed: 0, problem: null })
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
  })

  it('gives up after some tries, and sends just the unconfirmed again when told', async () => {
    const broken = () => new StoreError('The connection to the server was lost.', true)
    server.misbehave = [(_, uids) => allStored(uids), broken, broken, broken, broken]
    void add(files(25))
    const state = await ended()
    expect(state).toMatchObject({ stored: 20, unconfirmed: 5 })
    expect(state.problem).toMatch(/connection/)
    server.requests = []
    queue.resend()
    expect(await ended()).toMatchObject({ stored: 25, unconfirmed: 0, problem: null, progress: 1 })
    expect(server.requests).toEqual([['1.2.20', '1.2.21', '1.2.22', '1.2.23', '1.2.24']])
  })

  it('that is canceled keeps the unconfirmed for another try', async () => {
    let release = () => {}
    server.hold = new Promise((resolve) => (release = resolve))
    void add(files(100))
    while (server.atOnce < 3) await new Promise((resolve) => setTimeout(resolve, 1))
    queue.cancel()
    release()
    expect(await ended()).toMatchObject({ stored: 0, unconfirmed: 100, canceled: true })
    server.hold = null
    queue.resend()
    expect(await ended()).toMatchObject({ stored: 100, unconfirmed: 0, canceled: false })
  })

  it('lets one offending file fail alone where the whole request is refused', async () => {
    const refuse = (_: number, uids: string[]) =>
      uids.includes('1.2.7') ? new StoreError('The body is too large.', false) : null
    server.misbehave = new Array<typeof refuse>(40).fill(refuse)
    void add(files(10))
    const state = await ended()
    expect(state).toMatchObject({ stored: 9, unconfirmed: 0, progress: 1 })
    expect(state.notes).toEqual([{ kind: 'refused', path: 'folder/7.dcm', reason: 'The body is too large.' }])
  })

  it('can be forgotten once it has ended', async () => {
    void add(files(1))
    await ended()
    queue.dismiss()
    expect(queue.snapshot()).toMatchObject({ phase: 'idle', files: 0, progress: 0 })
  })
})
