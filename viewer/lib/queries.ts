'use client'

/** What the pages read, and under which key it is kept; `apply-events.ts` keeps it current. */

import { createContext, useContext } from 'react'
import {
  keepPreviousData,
  queryOptions,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query'
import {
  addPeer,
  cancelJob,
  changePeer,
  getPeers,
  getReport,
  getStatus,
  getStudies,
  getStudy,
  removePeer,
  startJob,
  testPeer,
} from '@/lib/api'
import type { StudiesQuery } from '@/lib/api'
import type { PeerRequest } from '@/lib/types'

export const keys = {
  status: ['status'] as const,
  lists: ['studies'] as const,
  list: (query: StudiesQuery) => ['studies', query] as const,
  study: (uid: string) => ['study', uid] as const,
  report: (uid: string) => ['report', uid] as const,
  peers: ['peers'] as const,
}

/**
 * True once the number is known from which the change feed is followed. What is read after that
 * is at least as new as the feed's start, so that nothing can be missed in between.
 */
export const FeedStarted = createContext(false)

export const statusQuery = queryOptions({
  queryKey: keys.status,
  queryFn: ({ signal }) => getStatus(signal),
})

export function useStatus() {
  return useQuery(statusQuery)
}

export function useStudies(query: StudiesQuery) {
  return useQuery({
    queryKey: keys.list(query),
    queryFn: ({ signal }) => getStudies(query, signal),
    placeholderData: keepPreviousData,
    enabled: useContext(FeedStarted),
  })
}

export function useStudy(uid: string) {
  return useQuery({
    queryKey: keys.study(uid),
    queryFn: ({ signal }) => getStudy(uid, signal),
    enabled: useContext(FeedStarted) && uid !== '',
  })
}

/** A stored report never changes. */
export function useReport(sopUid: string) {
  return useQuery({
    queryKey: keys.report(sopUid),
    queryFn: ({ signal }) => getReport(sopUid, signal),
    refetchOnMount: false,
  })
}

export function useStartJob(studyUid: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: startJob,
    onSuccess: () => client.invalidateQueries({ queryKey: keys.study(studyUid) }),
  })
}

export function useCancelJob(studyUid: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: cancelJob,
    onSuccess: () => client.invalidateQueries({ queryKey: keys.study(studyUid) }),
  })
}

export function usePeers() {
  return useQuery({ queryKey: keys.peers, queryFn: ({ signal }) => getPeers(signal), refetchOnMount: 'always' })
}

export function useSavePeer() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ request, isNew }: { request: PeerRequest; isNew: boolean }) =>
      isNew ? addPeer(request) : changePeer(request),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.peers }),
  })
}

export function useRemovePeer() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: removePeer,
    onSuccess: () => client.invalidateQueries({ queryKey: keys.peers }),
  })
}

export function useTestPeer() {
  return useMutation({ mutationFn: testPeer })
}
