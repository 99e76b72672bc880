'use client'

import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query'
import { useRouter } from 'next/navigation'
import { type ReactNode, createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { getEvents } from '@/lib/api'
import { EventApplier } from '@/lib/apply-events'
import { LiveFeed, type FeedState } from '@/lib/live'
import { announce } from '@/lib/announce'
import { backoff } from '@/lib/backoff'
import { FeedStarted, statusQuery } from '@/lib/queries'

interface Live {
  state: FeedState
  wake: () => void
}

const STOPPED: FeedState = { phase: 'stopped', retryAt: null }
const LiveContext = createContext<Live>({ state: STOPPED, wake: () => {} })

/** The connection to the change feed, as a page shows it. */
export function useLive(): Live {
  return useContext(LiveContext)
}

function openSocket(path: string): WebSocket {
  const url = new URL(path, window.location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  return new WebSocket(url)
}

/**
 * Holds the change feed open while the app is. It starts at the number that the server's status
 * names; nothing else is read before that is known, so no change can fall in between.
 */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const router = useRouter()
  const [{ feed, applier }] = useState(() => makeFeed(client, (path) => router.push(path)))
  const status = useQuery({ ...statusQuery, retry: true, retryDelay: (attempt) => backoff(attempt) })
  const started = status.data !== undefined

  useEffect(() => {
    const first = client.getQueryData(statusQuery.queryKey)
    if (!started || !first) return
    feed.start(first.sequence)
    return () => {
      feed.stop()
      applier.stop()
    }
  }, [client, feed, applier, started])

  useEffect(() => {
    const wake = () => document.visibilityState === 'visible' && feed.wake()
    window.addEventListener('online', wake)
    document.addEventListener('visibilitychange', wake)
    return () => {
      window.removeEventListener('online', wake)
      document.removeEventListener('visibilitychange', wake)
    }
  }, [feed])

  const state = useSyncExternalStore(feed.observe, () => feed.state, () => STOPPED)
  const live = useMemo<Live>(() => {
    const lost: FeedState = { phase: 'retrying', retryAt: null }
    return { state: started || status.failureCount === 0 ? state : lost, wake: () => feed.wake() }
  }, [state, started, status.failureCount, feed])
  return (
    <LiveContext value={live}>
      <FeedStarted value={started}>{children}</FeedStarted>
    </LiveContext>
  )
}

function makeFeed(client: QueryClient, open: (path: string) => void) {
  const applier = new EventApplier(client)
  const feed = new LiveFeed(
    { open: openSocket, events: getEvents },
    {
      event: (event) => {
        announce(event, open)
        applier.event(event)
      },
      reset: () => applier.reset(),
    },
  )
  return { feed, applier }
}
