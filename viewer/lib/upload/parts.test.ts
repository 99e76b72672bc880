import { describe, expect, it } from 'vitest'
import { batchLength } from '@/lib/upload/batches'
import { checkFile } from '@/lib/upload/file-meta'
import { Meter } from '@/lib/upload/meter'
import { multipart } from '@/lib/upload/multipart'
import { outcomes } from '@/lib/upload/outcome'
import { dicomFile } from '@/lib/upload/samples'
import { StoreError, readAnswer, reasonText } from '@/lib/upload/stow'

describe('a file', () => {
  it('with DICM at byte 128 is sent under its SOP Instance UID', async () => {
    expect(await checkFile(dicomFile('a.dcm', '1.2.3'))).toEqual({ ok: true, sopInstanceUid: '1.2.3' })
  })

  it.each([
    ['an empty one', new File([], 'a'), /empty/],
    ['a short text', new File(['hello'], 'a.txt'), /Not a DICOM file/],
    ['a long text', new File(['x'.repeat(5000)], 'a.txt'), /Not a DICOM file/],
    ['a DICOMDIR', dicomFile('DICOMDIR', '1.2', { sopClass: '1.2.840.10008.1.3.10' }), /DICOMDIR/],
  ])('%s is left out', async (_, file, reason) => {
    const result = await checkFile(file)
    expect(result.ok ? '' : result.reason).toMatch(reason)
  })

  it('whose header is cut is sent, for the server to judge', async () => {
    const whole = await dicomFile('a', '1.2.3', { size: 0 }).arrayBuffer()
    expect(await checkFile(new File([whole.slice(0, 140)], 'a'))).toEqual({ ok: true, sopInstanceUid: '' })
    expect(await checkFile(new File([whole.slice(0, -2)], 'a'))).toEqual({ ok: true, sopInstanceUid: '' })
  })
})

it('a body is multipart/related as RFC 2387 has it', async () => {
  const { body, contentType } = multipart([new File(['one'], 'a'), new File(['two'], 'b')], 'B')
  expect(contentType).toBe('multipart/related; type="application/dicom"; boundary=B')
  expect(await body.text()).toBe(
    '--B\r\nContent-Type: application/dicom\r\n\r\none\r\n' +
      '--B\r\nContent-Type: application/dicom\r\n\r\ntwo\r\n--B--\r\n',
  )
})

describe('batches', () => {
  const files = (count: number, size = 1) => new Array<number>(count).fill(size)
  it.each([
    [0, 0],
    [5, 5],
    [60, 20],
    [90, 30],
    [4000, 40],
  ])('of %i small files have %i', (count, expected) => {
    expect(batchLength(files(count))).toBe(expected)
  })

  it('of large files are small, but never empty', () => {
    expect(batchLength(files(10, 60 * 1024 * 1024))).toBe(2)
    expect(batchLength(files(10, 900 * 1024 * 1024))).toBe(1)
  })
})

it('the bar never runs back when a request has to be sent again', () => {
  const meter = new Meter()
  meter.expect(100)
  const request = {}
  meter.sending(request, 80)
  expect(meter.progress).toBe(0.8)
  meter.ended(request, 0)
  expect(meter.progress).toBe(0.8)
  meter.sending(request, 20)
  expect(meter.progress).toBe(0.8)
  meter.ended(request, 100)
  expect(meter.progress).toBe(1)
})

describe('an answer', () => {
  const answer = {
    '00081198': { vr: 'SQ', Value: [
      { '00081155': { vr: 'UI', Value: ['1.1'] }, '00081197': { vr: 'US', Value: [0xa900] } },
      { '00081155': { vr: 'UI', Value: ['1.9'] }, '00081197': { vr: 'US', Value: [0xc000] },
        '00741048': { vr: 'SQ', Value: [
          { '00000902': { vr: 'LO', Value: ['the data set ends inside'] } },
          { '00000902': { vr: 'LO', Value: ['an element'] } },
        ] } },
    ] },
    '00081199': { vr: 'SQ', Value: [
      { '00081155': { vr: 'UI', Value: ['1.2'] } },
      { '00081155': { vr: 'UI', Value: ['1.3'] }, '00081196': { vr: 'US', Value: [0xb000] } },
    ] },
    '0008119A': { vr: 'SQ', Value: [{ '00081197': { vr: 'US', Value: [0xc000] } }] },
  }

  it('names what was stored, warned about and refused, with the server’s own words', () => {
    const read = readAnswer(202, JSON.stringify(answer))
    if (read instanceof StoreError) throw read
    expect(read).toMatchObject([
      { sopInstanceUid: '1.2', kind: 'stored' },
      { sopInstanceUid: '1.3', kind: 'warning', reason: expect.stringMatching(/quarantine/) as string },
      { sopInstanceUid: '1.1', kind: 'refused', reason: expect.stringMatching(/contradicts/) as string },
      { sopInstanceUid: '1.9', kind: 'refused', reason: 'The data set ends inside an element.' },
      { sopInstanceUid: '', kind: 'refused', reason: reasonText(0xc000) },
    ])
  })

  it('is paired with the files, also where names do not fit', () => {
    const read = readAnswer(202, JSON.stringify(answer))
    if (read instanceof StoreError) throw read
    const file = (path: string, sopInstanceUid: string) =>
      ({ path, sopInstanceUid, size: 1, file: new Blob() })
    const files = [file('a', '1.1'), file('b', '1.2'), file('c', '1.3'), file('d', '1.8'), file('e', '')]
    const kinds = [...outcomes(files, read)].map(([{ path }, outcome]) => `${path} ${outcome.kind}`)
    expect(kinds.sort()).toEqual(['a refused', 'b stored', 'c warning', 'd refused', 'e refused'])
  })

  it('of two files under one UID belongs to each in the order in which they were sent', () => {
    const files = ['a', 'b'].map((path) => ({ path, sopInstanceUid: '1.2', size: 1, file: new Blob() }))
    const first = { sopInstanceUid: '1.2', kind: 'stored', reason: '' } as const
    const paired = outcomes(files, [first, { ...first, kind: 'warning', reason: 'other content' }])
    expect([...paired].map(([{ path }, { kind }]) => `${path} ${kind}`)).toEqual(['a stored', 'b warning'])
  })

  it.each([
    [413, '{"title":"Content Too Large","detail":"The body is larger than 16 GB"}', false],
    [503, '{"detail":"The database does not answer"}', true],
    [502, '<html>', true],
    [400, '', false],
  ])('with status %i that is no store response tells whether to try again', (status, body, retriable) => {
    const read = readAnswer(status, body)
    expect(read).toBeInstanceOf(StoreError)
    expect((read as StoreError).retriable).toBe(retriable)
    expect((read as StoreError).message).not.toBe('')
  })

  it('that the server has no space just now is worth another try', () => {
    const full = { '00081198': { vr: 'SQ', Value: [{ '00081197': { vr: 'US', Value: [0xa700] } }] } }
    const read = readAnswer(503, JSON.stringify(full))
    expect(read).toMatchObject({ retriable: true, message: reasonText(0xa700) })
  })
})
