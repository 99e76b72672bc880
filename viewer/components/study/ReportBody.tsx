import clsx from 'clsx'
import { formatUnit, formatValue } from '@/lib/job-words'
import { displayText } from '@/lib/text'
import type { Report, ReportLine, ReportMeasurement } from '@/lib/types'

const HEAD = 'border-b border-line px-3 py-1.5 text-left text-2xs font-medium text-faint'
const CELL = 'border-b border-line/60 px-3 py-1.5 align-top wrap-anywhere'

/** The measurements as a table, and the whole content below. */
export function ReportBody({ report }: { report: Report }) {
  const plain = report.measurements.length === 0
  return (
    <>
      {!plain && <Measurements measurements={report.measurements} />}
      <details open={plain} className="px-3 py-2">
        <summary className="cursor-pointer text-xs text-soft">Full content</summary>
        <ul className="mt-2 space-y-0.5 pb-1">
          {report.lines.map((line, index) => (
            <Line key={index} line={line} />
          ))}
        </ul>
      </details>
    </>
  )
}

function Measurements({ measurements }: { measurements: ReportMeasurement[] }) {
  return (
    <table className="w-full border-separate border-spacing-0">
      <thead>
        <tr>
          {['Of', 'Measurement', 'Value', 'Method'].map((name) => (
            <th key={name} scope="col" className={clsx(HEAD, name === 'Value' && 'text-right')}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {measurements.map((measurement, index) => (
          <tr key={index}>
            <td className={CELL}>{displayText(measurement.group)}</td>
            <td className={CELL}>{displayText(measurement.name)}</td>
            <td className={clsx(CELL, 'text-right font-medium whitespace-nowrap tabular-nums')}>
              {formatValue(measurement.value ?? '')}{' '}
              <span className="font-normal text-soft">{formatUnit(measurement.unit)}</span>
            </td>
            <td className={clsx(CELL, 'text-soft')}>{displayText(measurement.method)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Indented by its depth in the content tree. */
function Line({ line }: { line: ReportLine }) {
  const concept = displayText(line.concept)
  const value = displayText(line.value)
  return (
    <li className="text-xs wrap-anywhere" style={{ paddingLeft: `${Math.min(line.depth, 12)}rem` }}>
      {concept && <span className="text-soft">{concept}</span>}
      {concept && value && <span className="text-faint">: </span>}
      {value && <bdi>{value}</bdi>}
    </li>
  )
}
