import { describe, expect, it } from 'vitest'
import { ageAt, formatDate, formatDuration, formatStamp, formatTime } from '@/lib/dicom-dates'
import { formatName, parseName } from '@/lib/dicom-names'
import { bytes, count, displayText } from '@/lib/text'

describe('person names', () => {
  it.each([
    ['Demo^Head', 'Demo, Head'],
    ['Adams^John Robert Quincy^^Rev.^B.A. M.Div.', 'Adams, Rev. John Robert Quincy, B.A. M.Div.'],
    ['Yamada^Tarou=山田^太郎=やまだ^たろう', 'Yamada, Tarou (山田, 太郎)'],
    ['=山田^太郎', '山田, 太郎'],
    ['Doe', 'Doe'],
    ['^Jane', 'Jane'],
    ['', '(no name)'],
    ['^^^^', '(no name)'],
    [null, '(no name)'],
  ])('%s reads %s', (value, expected) => {
    expect(formatName(value)).toBe(expected)
  })

  it('keeps the groups apart', () => {
    expect(parseName('A^B=C^D=E^F')).toEqual({ main: 'A, B', ideographic: 'C, D', phonetic: 'E, F' })
  })
})

describe('text of a sender', () => {
  it('cannot turn the direction of what follows it', () => {
    expect(displayText('abc\u202ecod.exe\u0007')).toBe('abc\ufffdcod.exe\ufffd')
  })

  it('stays on one line and keeps markup as text', () => {
    expect(displayText(' <script>\r\nalert(1)</script> ')).toBe('<script> alert(1)</script>')
  })
})

describe('dates and times', () => {
  it('are shown in ISO order', () => {
    expect(formatDate('20240131')).toBe('2024-01-31')
    expect(formatDate('2024.01.31')).toBe('2024-01-31')
    expect(formatTime('101530.25')).toBe('10:15')
    expect(formatTime('10')).toBe('10:00')
  })

  it('that are none are shown as they came', () => {
    expect(formatDate('yesterday')).toBe('yesterday')
    expect(formatTime(null)).toBe('')
  })

  it('give the age at the study', () => {
    expect(ageAt('19800302', '20240301')).toBe(43)
    expect(ageAt('19800301', '20240301')).toBe(44)
    expect(ageAt('', '20240301')).toBeNull()
    expect(ageAt('20250101', '20240301')).toBeNull()
  })

  it('of storage are short today and dated otherwise', () => {
    const now = new Date(2026, 4, 5, 12, 0, 0)
    expect(formatStamp(new Date(2026, 4, 5, 9, 8, 7).toISOString(), now)).toBe('09:08:07')
    expect(formatStamp(new Date(2026, 4, 4, 9, 8, 7).toISOString(), now)).toBe('2026-05-04 09:08')
    expect(formatStamp('nonsense', now)).toBe('')
  })

  it('span a duration', () => {
    expect(formatDuration('2026-01-01T00:00:00Z', '2026-01-01T00:00:04.25Z')).toBe('4.3 s')
    expect(formatDuration('2026-01-01T00:00:00Z', '2026-01-01T00:01:12Z')).toBe('1 min 12 s')
    expect(formatDuration('2026-01-01T00:00:00Z', null)).toBe('')
  })
})

describe('quantities', () => {
  it('have decimal units', () => {
    expect([0, 999, 526_000, 1_234_000_000].map(bytes)).toEqual(['0 B', '999 B', '526 kB', '1.2 GB'])
  })

  it('have a plural', () => {
    expect([count(1, 'file'), count(2000, 'file'), count(1, 'series', 'series')]).toEqual([
      '1 file',
      '2,000 files',
      '1 series',
    ])
  })
})
