/** DA, TM and our own ISO times as a person reads them; ISO order everywhere, so no day is a month. */

import { displayText } from '@/lib/text'

const DA = /^(\d{4})\.?(\d{2})\.?(\d{2})$/
const TM = /^(\d{2}):?(\d{2})?:?(\d{2})?/

/** `20240131` to `2024-01-31`; what is not a date is shown as it came. */
export function formatDate(value: string | null | undefined): string {
  const match = DA.exec((value ?? '').trim())
  return match ? `${match[1]}-${match[2]}-${match[3]}` : displayText(value)
}

/** `101530.25` to `10:15`; what is not a time is shown as it came. */
export function formatTime(value: string | null | undefined): string {
  const match = TM.exec((value ?? '').trim())
  return match ? [match[1], match[2] ?? '00'].join(':') : displayText(value)
}

/** Whole years between birth and study, or nothing where either is missing or wrong. */
export function ageAt(birth: string | null | undefined, date: string | null | undefined): number | null {
  const born = DA.exec((birth ?? '').trim())
  const seen = DA.exec((date ?? '').trim())
  if (!born || !seen) return null
  const [by, bm, bd] = born.slice(1).map(Number) as [number, number, number]
  const [sy, sm, sd] = seen.slice(1).map(Number) as [number, number, number]
  const years = sy - by - (sm < bm || (sm === bm && sd < bd) ? 1 : 0)
  return years >= 0 && years < 150 ? years : null
}

/** When something was stored, in local time: the time today, else the day and the time. */
export function formatStamp(iso: string | null | undefined, now = new Date()): string {
  const date = new Date(iso ?? '')
  if (Number.isNaN(date.getTime())) return ''
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two)
  if (date.toDateString() === now.toDateString()) return clock.join(':')
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
  return `${day} ${clock.slice(0, 2).join(':')}`
}

/** `4.2 s`, `1 min 12 s`, from one ISO time to another. */
export function formatDuration(from: string | null, to: string | null): string {
  const seconds = (new Date(to ?? '').getTime() - new Date(from ?? '').getTime()) / 1000
  if (!Number.isFinite(seconds) || seconds < 0) return ''
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}
