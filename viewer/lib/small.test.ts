import { describe, expect, it } from 'vitest'
import { backoff } from '@/lib/backoff'
import { formatMeasurement, formatValue, splitRuns } from '@/lib/job-words'
import { listAddress, readListState } from '@/lib/list-state'
import { ohifPath, renderedPath, studyPath } from '@/lib/paths'
import { aJob } from '@/lib/samples'
import type { Job, JobLabel } from '@/lib/types'

describe('values', () => {
  it('keep four digits that count', () => {
    expect([1973.138, 24.6149, 0.0123456, 0, -5, 1e7].map(formatValue)).toEqual([
      '1,973',
      '24.61',
      '0.01235',
      '0',
      '-5',
      '10,000,000',
    ])
  })

  it('carry units as people write them', () => {
    expect(formatMeasurement({ value: 2, unit: 'mm3' })).toBe('2 mm³')
    expect(formatMeasurement({ value: 0.5, unit: '1' })).toBe('0.5')
    expect(formatMeasurement({ value: 3, unit: '{SUVbw}g/ml' })).toBe('3 SUVbw g/ml')
  })
})

describe('a result', () => {
  const run = (id: string, label: JobLabel, predecessor: string | null = null) =>
    aJob({ job_id: id, label, predecessor_job_id: predecessor, created_at: `2026-01-01T00:00:0${id}Z` })
  const ids = (jobs: Job[]) => {
    const { current, earlier } = splitRuns(jobs)
    return [current.map((job) => job.job_id), earlier.map((job) => job.job_id)]
  }

  it('is replaced by a later result', () => {
    expect(ids([run('1', 'complete'), run('2', 'complete', '1'), run('3', 'complete')])).toEqual([['3', '2'], ['1']])
    expect(ids([run('1', 'complete'), run('2', 'failed', '1'), run('3', 'complete', '2')])).toEqual([['3'], ['2', '1']])
  })

  it('stays while another run is under way, or where that came to nothing', () => {
    expect(ids([run('1', 'complete'), run('2', 'running', '1')])).toEqual([['2', '1'], []])
    expect(ids([run('1', 'complete'), run('2', 'failed', '1'), run('3', 'canceled', '2')])).toEqual([['1', '3'], ['2']])
  })
})

describe('the address of a list', () => {
  it.each([
    [{ text: '', page: 0 }, '/'],
    [{ text: 'demo & co', page: 2 }, '/?q=demo+%26+co&page=3'],
  ])('%o is %s, and back', (state, address) => {
    expect(listAddress(state)).toBe(address)
    expect(readListState(new URL(address, 'http://host').searchParams)).toEqual(state)
  })

  it('that makes no sense is the first page', () => {
    for (const page of ['0', '-3', 'x', '1.5', '1e99x']) {
      expect(readListState(new URLSearchParams({ page })).page).toBe(0)
    }
  })
})

it('a UID from the address bar cannot leave its place in a path', () => {
  const hostile = '../../x?y#z&a=b'
  expect(studyPath(hostile)).toBe('/study/?uid=..%2F..%2Fx%3Fy%23z%26a%3Db')
  expect(ohifPath('1.2', '1.3')).toBe('/ohif/viewer?StudyInstanceUIDs=1.2&initialSeriesInstanceUID=1.3')
  expect(renderedPath(hostile, { series_instance_uid: 's', sop_instance_uid: 'i' }, 7)).toBe(
    '/dicom-web/studies/..%2F..%2Fx%3Fy%23z%26a%3Db/series/s/instances/i/frames/7/rendered',
  )
})

it('waiting doubles up to a quarter of a minute', () => {
  expect([0, 1, 2, 3, 10].map((attempt) => backoff(attempt, () => 0.5))).toEqual([500, 1000, 2000, 4000, 15000])
})
