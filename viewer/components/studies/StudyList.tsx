'use client'

import { useRouter } from 'next/navigation'
import { useEffect, useRef } from 'react'
import { EmptyArchive } from '@/components/studies/EmptyArchive'
import { ListFooter } from '@/components/studies/ListFooter'
import { SearchBox } from '@/components/studies/SearchBox'
import { StudyTable } from '@/components/studies/StudyTable'
import { Message } from '@/components/ui/Message'
import { UploadButtons } from '@/components/upload/UploadButtons'
import { PAGE_SIZE, useListState } from '@/lib/list-state'
import { ohifPath, studyPath } from '@/lib/paths'
import { useStudies } from '@/lib/queries'
import { count } from '@/lib/text'

/** The study list: newest first, filling by itself. */
export function StudyList() {
  const router = useRouter()
  const [list, setList] = useListState()
  const search = useRef<HTMLInputElement>(null)
  const { data, error, isPlaceholderData } = useStudies({
    limit: PAGE_SIZE,
    offset: list.page * PAGE_SIZE,
    text: list.text,
  })
  const pages = Math.max(1, Math.ceil((data?.total ?? 0) / PAGE_SIZE))
  const turn = (page: number) => setList({ ...list, page: Math.min(Math.max(page, 0), pages - 1) })
  useSlash(search)

  return (
    <>
      <div className="flex h-11 shrink-0 items-center gap-3 border-b border-line px-3">
        <SearchBox ref={search} text={list.text} onSearch={(text) => setList({ text, page: 0 })} />
        <span className="text-xs text-soft tabular-nums" role="status">
          {data && countText(data.total, list.text)}
        </span>
        <div className="flex-1" />
        <UploadButtons />
      </div>
      {!data && <Message title={error ? 'The study list could not be read' : 'Reading…'}>{error?.message}</Message>}
      {data && data.total === 0 && list.text !== '' && (
        <Message title={`No study matches “${list.text}”`}>
          Patient name, patient ID, accession number and description are searched.
        </Message>
      )}
      {data && data.total === 0 && list.text === '' && <EmptyArchive />}
      {data && data.total > 0 && (
        <StudyTable
          studies={data.items}
          listKey={isPlaceholderData ? '' : JSON.stringify(list)}
          onOpen={(uid) => router.push(studyPath(uid))}
          onOpenInOhif={(uid) => window.open(ohifPath(uid), '_blank', 'noopener')}
          onTurn={(by) => turn(list.page + by)}
        />
      )}
      <ListFooter page={list.page} pages={pages} onTurn={turn} />
    </>
  )
}

function countText(total: number, text: string): string {
  const studies = count(total, 'study', 'studies')
  return text ? `${studies} found` : studies
}

/** `/` goes to the search box from anywhere but a field. */
function useSlash(search: { readonly current: HTMLInputElement | null }) {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const inField = event.target instanceof HTMLInputElement
      if (event.key !== '/' || inField || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      search.current?.focus()
      search.current?.select()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [search])
}
