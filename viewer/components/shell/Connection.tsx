'use client'

import clsx from 'clsx'
import { useEffect, useState } from 'react'
import { useLive } from '@/components/live/LiveProvider'
import { Hint } from '@/components/ui/Hint'
import type { FeedPhase, FeedState } from '@/lib/live'

const DOTS: Record<FeedPhase, string> = {
  stopped: 'bg-faint',
  connecting: 'bg-warn animate-breathe',
  live: 'bg-good',
  retrying: 'bg-bad animate-breathe',
  polling: 'bg-warn',
}

const MEANINGS: Record<FeedPhase, string> = {
  stopped: 'Asking the server…',
  connecting: 'Opening the live connection.',
  live: 'Connected. Changes appear by themselves.',
  retrying: 'The server cannot be reached. What is shown may be old. Click to try now.',
  polling: 'No live connection gets through; changes are asked for every few seconds. Click to try now.',
}

/** Whether what is on the screen is current. */
export function Connection() {
  const { state, wake } = useLive()
  const seconds = useSecondsUntil(state.phase === 'retrying' ? state.retryAt : null)
  return (
    <Hint text={MEANINGS[state.phase]}>
      <button
        type="button"
        onClick={wake}
        aria-live="polite"
        data-testid="connection"
        data-phase={state.phase}
        className="flex h-6 items-center gap-2 rounded px-2 text-xs text-soft hover:bg-hover"
      >
        <span className={clsx('size-2 rounded-full', DOTS[state.phase])} />
        {words(state, seconds)}
      </button>
    </Hint>
  )
}

function words({ phase }: FeedState, seconds: number): string {
  switch (phase) {
    case 'live':
      return 'Live'
    case 'polling':
      return 'Polling'
    case 'retrying':
      return seconds > 0 ? `Offline, again in ${seconds} s` : 'Offline, trying…'
    case 'stopped':
    case 'connecting':
      return 'Connecting…'
  }
}

function useSecondsUntil(time: number | null): number {
  const [now, setNow] = useState(0)
  useEffect(() => {
    if (time === null) return
    const tick = () => setNow(Date.now())
    tick()
    const timer = setInterval(tick, 500)
    return () => clearInterval(timer)
  }, [time])
  return time === null || now === 0 ? 0 : Math.max(0, Math.ceil((time - now) / 1000))
}
