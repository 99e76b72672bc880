'use client'

import { useVirtualizer } from '@tanstack/react-virtual'
import clsx from 'clsx'
import { useMemo, useRef } from 'react'
import { count, displayText } from '@/lib/text'
import type { Note } from '@/lib/upload/state'

const ROW = 40
const ORDER: Note['kind'][] = ['refused', 'warning', 'left out']
const WORDS: Record<Note['kind'], string> = { refused: 'Refused', warning: 'Quarantined', 'left out': 'Left out' }
const TONES: Record<Note['kind'], string> = {
  'left out': 'text-faint',
  refused: 'text-bad',
  warning: 'text-warn',
}

/** Every file that is not simply stored, and why. A folder may hold ten thousand of them. */
export function NoteList({ notes }: { notes: readonly Note[] }) {
  const box = useRef<HTMLDivElement>(null)
  const worstFirst = useMemo(() => ORDER.flatMap((kind) => notes.filter((note) => note.kind === kind)), [notes])
  // Its functions cannot be memoized, which the compiler's lint would like them to be.
  // eslint-disable-next-line react-hooks/incompatible-library
  const rows = useVirtualizer({
    count: notes.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 8,
  })
  return (
    <div className="border-t border-line">
      <p className="px-3 pt-2 pb-1 text-xs text-soft">{summary(notes)}</p>
      <div ref={box} className="max-h-52 overflow-y-auto" data-testid="upload-notes">
        <ul className="relative" style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map(({ index, start }) => (
            <NoteRow key={index} note={worstFirst[index] as Note} top={start} />
          ))}
        </ul>
      </div>
    </div>
  )
}

function NoteRow({ note, top }: { note: Note; top: number }) {
  const path = displayText(note.path)
  return (
    <li
      className="absolute inset-x-0 flex flex-col justify-center px-3"
      style={{ height: ROW, transform: `translateY(${top}px)` }}
    >
      <span className="truncate text-xs" title={path}>
        <span className={clsx('mr-1.5', TONES[note.kind])}>{WORDS[note.kind]}</span>
        <bdi>{path}</bdi>
      </span>
      <span className="truncate text-2xs text-soft" title={displayText(note.reason)}>
        {displayText(note.reason)}
      </span>
    </li>
  )
}

function summary(notes: readonly Note[]): string {
  const of = (kind: Note['kind']) => notes.filter((note) => note.kind === kind).length
  return [
    of('refused') && `${count(of('refused'), 'file')} refused`,
    of('warning') && `${count(of('warning'), 'file')} in quarantine`,
    of('left out') && `${count(of('left out'), 'file')} left out`,
  ]
    .filter(Boolean)
    .join(' · ')
}
