/** The state of a job in words and numbers. */

import type { Job, JobLabel, Measurement } from '@/lib/types'
import { displayText } from '@/lib/text'

export const JOB_WORDS: Record<JobLabel, string> = {
  queued: 'Queued',
  running: 'Running',
  complete: 'Complete',
  failed: 'Failed',
  skipped: 'Skipped',
  canceled: 'Canceled',
}

/** A state that may still change by itself. */
export function isOpen(job: Job): boolean {
  return job.label === 'queued' || job.label === 'running'
}

/** UCUM code to the sign that people write (PS3.16 CID 82 and friends); `{SUVbw}g/ml` keeps its note. */
const SIGNS: Record<string, string> = { mm3: 'mm³', mm2: 'mm²', cm3: 'cm³', '1': '' }

export function formatUnit(unit: string | null): string {
  const text = displayText(unit).replace(/\{([^}]*)\}/g, '$1 ').trim()
  return SIGNS[text] ?? text
}

/** Four significant digits are more than any of these models is good for. */
export function formatValue(value: number | string): string {
  if (typeof value === 'string') return displayText(value)
  if (!Number.isFinite(value)) return String(value)
  const decimals = value === 0 ? 0 : Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(decimals, 6) })
}

export function formatMeasurement({ value, unit }: Pick<Measurement, 'value' | 'unit'>): string {
  return [formatValue(value), formatUnit(unit)].filter(Boolean).join(' ')
}

const RANK: JobLabel[] = ['running', 'queued', 'failed', 'complete', 'canceled', 'skipped']

/** What moves or needs a person comes first. */
function byImportance(a: Job, b: Job): number {
  return RANK.indexOf(a.label) - RANK.indexOf(b.label)
}

/**
 * The jobs that count, what says most first, and the ones that a later run has replaced; of one
 * kind the newest first. A result is replaced by a later result alone, not by a run that is under
 * way or came to nothing.
 */
export function splitRuns(jobs: readonly Job[]): { current: Job[]; earlier: Job[] } {
  const successors = new Map(jobs.map((job) => [job.predecessor_job_id, job]))
  const laterRuns = (job: Job): Job[] => {
    const next = successors.get(job.job_id)
    return next ? [next, ...laterRuns(next)] : []
  }
  const isReplaced = (job: Job) =>
    laterRuns(job).some((later) => later.label === 'complete' || job.label !== 'complete')
  const newest = [...jobs].sort((a, b) => b.created_at.localeCompare(a.created_at))
  return {
    current: newest.filter((job) => !isReplaced(job)).sort(byImportance),
    earlier: newest.filter(isReplaced),
  }
}
