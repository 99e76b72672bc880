import clsx from 'clsx'

interface BarProps {
  /** Between 0 and 1. */
  value: number
  label: string
  className?: string
  tone?: 'accent' | 'good' | 'warn' | 'bad'
}

const TONES = { accent: 'bg-accent', good: 'bg-good', warn: 'bg-warn', bad: 'bg-bad' }

/** A progress bar. */
export function Bar({ value, label, className, tone = 'accent' }: BarProps) {
  const percent = Math.round(Math.min(Math.max(value, 0), 1) * 100)
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      className={clsx('h-1.5 overflow-hidden rounded-full bg-line', className)}
    >
      <div
        className={clsx('h-full rounded-full transition-[width] duration-300', TONES[tone])}
        style={{ width: `${percent}%` }}
      />
    </div>
  )
}
