import { render, screen } from '@testing-library/react'
import { expect, it } from 'vitest'
import { ReportBody } from '@/components/study/ReportBody'
import type { Report } from '@/lib/types'

const report: Report = {
  title: 'Imaging Measurement Report',
  completion_flag: 'COMPLETE',
  verification_flag: 'UNVERIFIED',
  content_date: '20260505',
  content_time: '101500',
  device: 'Brain mask',
  measurements: [
    { group: 'Brain', name: 'Volume', value: 1973.138, unit: 'ml', method: 'Sum of voxels', tracking_identifier: 'b' },
    { group: 'Tumour', name: 'SUV', value: null, unit: '{SUVbw}g/ml', method: '', tracking_identifier: 't' },
  ],
  lines: [
    { depth: 0, concept: 'Imaging Measurement Report', value: '' },
    { depth: 1, concept: 'Finding', value: '<b>Brain</b>' },
  ],
}

it('a report is read as a table of its measurements and the whole of its content', () => {
  render(<ReportBody report={report} />)
  const rows = screen.getAllByRole('row').map((row) => row.textContent)
  expect(rows).toEqual([
    'OfMeasurementValueMethod',
    'BrainVolume1,973 mlSum of voxels',
    'TumourSUV SUVbw g/ml',
  ])
  expect(screen.getByText('<b>Brain</b>')).toBeTruthy()
})

it('a report without measurements is open to be read', () => {
  render(<ReportBody report={{ ...report, measurements: [] }} />)
  expect(screen.queryByRole('table')).toBeNull()
  expect(document.querySelector('details')?.open).toBe(true)
})
