import clsx from 'clsx'
import { Check, X } from 'lucide-react'
import { displayText } from '@/lib/text'
import type { PeerProbe } from '@/lib/types'

interface ProbeResultProps {
  probe: PeerProbe | undefined
  /** Why the peer was not called at all. */
  problem: string | undefined
}

/** What a peer answered: whether it is there, and what it takes from us. */
export function ProbeResult({ probe, problem }: ProbeResultProps) {
  const good = probe?.answered ?? false
  return (
    <div
      role="status"
      className={clsx('rounded border px-3 py-2', good ? 'border-good/35 bg-good/5' : 'border-bad/40 bg-bad/10')}
    >
      <p className={clsx('font-medium wrap-anywhere', good ? 'text-good' : 'text-bad')}>
        {displayText(probe ? probe.message : problem)}
        {probe && probe.milliseconds > 0 && (
          <span className="font-normal text-soft tabular-nums">
            {' '}
            in {probe.milliseconds.toFixed(0)} ms
            {probe.implementation && `, ${displayText(probe.implementation)}`}
          </span>
        )}
      </p>
      {probe?.advice && <p className="mt-0.5 text-soft">{displayText(probe.advice)}</p>}
      {probe && probe.findings.length > 0 && (
        <dl className="mt-2 grid grid-cols-[auto_1fr] gap-x-3 gap-y-0.5 text-xs">
          {probe.findings.map(({ service, accepted, detail }) => (
            <div key={service} className="contents">
              <dt className="flex items-center gap-1.5 font-mono">
                {accepted ? (
                  <Check aria-hidden className="size-3 text-good" />
                ) : (
                  <X aria-hidden className="size-3 text-faint" />
                )}
                {service}
              </dt>
              <dd className={accepted ? 'text-soft' : 'text-faint'}>{accepted ? displayText(detail) : 'not accepted'}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  )
}
