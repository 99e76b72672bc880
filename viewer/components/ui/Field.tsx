import clsx from 'clsx'
import type { InputHTMLAttributes } from 'react'

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string
  hint?: string
}

/** A line of a form, and what belongs into it. */
export function Field({ label, hint, className, ...rest }: FieldProps) {
  return (
    <label className={clsx('block min-w-0', className)}>
      <span className="mb-1 block text-xs font-medium text-soft">{label}</span>
      <input
        spellCheck={false}
        autoComplete="off"
        className="h-7 w-full rounded border border-edge bg-ground px-2 font-mono text-xs outline-none placeholder:text-faint focus:border-accent read-only:text-faint"
        {...rest}
      />
      {hint && <span className="mt-1 block text-2xs text-faint">{hint}</span>}
    </label>
  )
}

interface CheckProps {
  label: string
  detail?: string
  checked: boolean
  onChange: (checked: boolean) => void
}

export function Check({ label, detail, checked, onChange }: CheckProps) {
  return (
    <label className="flex cursor-pointer items-baseline gap-2">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => onChange(event.target.checked)}
        className="size-3 shrink-0 translate-y-px accent-accent"
      />
      <span className="text-xs">
        <span className="font-medium">{label}</span>
        {detail && <span className="text-soft"> {detail}</span>}
      </span>
    </label>
  )
}
