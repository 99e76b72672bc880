'use client'

/** Which part of the study list is shown; it lives in the address, so that Back returns to it. */

import { useSearchParams } from 'next/navigation'
import { useCallback } from 'react'

export const PAGE_SIZE = 50

export interface ListState {
  text: string
  /** From 0. */
  page: number
}

export function readListState(parameters: URLSearchParams): ListState {
  const page = Number(parameters.get('page') ?? '1')
  return { text: parameters.get('q') ?? '', page: Number.isInteger(page) && page > 1 ? page - 1 : 0 }
}

export function listAddress({ text, page }: ListState): string {
  const parameters = new URLSearchParams()
  if (text) parameters.set('q', text)
  if (page > 0) parameters.set('page', String(page + 1))
  const query = parameters.toString()
  return query ? `/?${query}` : '/'
}

export function useListState(): [ListState, (state: ListState) => void] {
  const parameters = useSearchParams()
  const change = useCallback((state: ListState) => window.history.replaceState(null, '', listAddress(state)), [])
  return [readListState(new URLSearchParams(parameters)), change]
}
