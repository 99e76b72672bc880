/** The sign: a grey scale with the curve that windows it. */
export function Brand() {
  return (
    <span className="flex items-center gap-2">
      <svg viewBox="0 0 20 20" className="size-5" aria-hidden="true">
        <rect x="2" y="3" width="3" height="14" rx="0.7" className="fill-edge" />
        <rect x="6.3" y="3" width="3" height="14" rx="0.7" className="fill-faint" />
        <rect x="10.7" y="3" width="3" height="14" rx="0.7" className="fill-soft" />
        <rect x="15" y="3" width="3" height="14" rx="0.7" className="fill-ink" />
        <path
          d="M1 13.5c4.5 0 5-7 9-7s4.500 4 9 4"
          fill="none"
          strokeWidth="1.6"
          strokeLinecap="round"
          className="stroke-accent"
        />
      </svg>
      <span className="text-sm font-semibold tracking-tight">Hounsfield</span>
    </span>
  )
}
