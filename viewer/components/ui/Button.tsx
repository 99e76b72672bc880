import clsx from 'clsx'
import type { ButtonHTMLAttributes } from 'react'

type Look = 'primary' | 'plain' | 'danger' | 'quiet'

const LOOKS: Record<Look, string> = {
  primary: 'border-accent-deep bg-accent-deep text-white hover:bg-[#1a68ac]',
  plain: 'border-edge bg-raised text-ink hover:bg-hover',
  danger: 'border-bad/40 bg-bad/10 text-bad hover:bg-bad/20',
  quiet: 'border-transparent text-soft hover:bg-hover hover:text-ink',
}

/** The classes of a button, for links that look like one. */
export function buttonClass(look: Look = 'plain', className?: string): string {
  return clsx(
    'inline-flex h-7 shrink-0 items-center justify-center gap-1.5 rounded border px-2.5 text-xs font-medium whitespace-nowrap',
    'transition-colors disabled:cursor-not-allowed disabled:opacity-45 [&_svg]:size-3.5',
    LOOKS[look],
    className,
  )
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look
}

export function Button({ look = 'plain', className, ...rest }: ButtonProps) {
  return <button type="button" className={buttonClass(look, className)} {...rest} />
}
