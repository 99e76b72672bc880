'use client'

import { useTable } from '@tanstack/react-table'
import clsx from 'clsx'
import { type KeyboardEvent, type MouseEvent, useRef, useState } from 'react'
import { HIDDEN, columns, features } from '@/components/studies/columns'
import { useArrivals } from '@/lib/arrivals'
import type { Study } from '@/lib/types'

interface StudyTableProps {
  studies: Study[]
  /** Names the page and search that `studies` is; empty while another is on its way. */
  listKey: string
  onOpen: (studyUid: string) => void
  onOpenInOhif: (studyUid: string) => void
  onTurn: (by: 1 | -1) => void
}

const WIDTHS: Record<string, string> = {
  patient: 'w-[20%]',
  id: 'w-[12%]',
  date: 'w-28 lg:w-36',
  accession: 'w-[9%]',
  modalities: 'w-32 lg:w-36',
  counts: 'w-28',
  analysis: 'w-36 lg:w-48',
  stored: 'w-32',
}

/** One row a study; one of them is chosen, and arrows and Enter work on it. */
export function StudyTable({ studies, listKey, onOpen, onOpenInOhif, onTurn }: StudyTableProps) {
  const [chosen, setChosen] = useState<string | null>(null)
  const body = useRef<HTMLTableSectionElement>(null)
  const fresh = useArrivals(listKey, listKey ? studies.map((study) => study.study_instance_uid) : undefined)
  const table = useTable({ features, columns, data: studies, getRowId: (study) => study.study_instance_uid })
  const rows = table.getRowModel().rows
  const at = Math.max(0, rows.findIndex((row) => row.id === chosen))

  const choose = (index: number) => {
    const row = rows[Math.min(Math.max(index, 0), rows.length - 1)]
    if (!row) return
    setChosen(row.id)
    body.current?.querySelector<HTMLElement>(`[data-study-row="${CSS.escape(row.id)}"]`)?.focus()
  }

  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const row = rows[at]
    const actions: Record<string, () => void> = {
      ArrowDown: () => choose(at + 1),
      ArrowUp: () => choose(at - 1),
      PageDown: () => choose(at + 15),
      PageUp: () => choose(at - 15),
      Home: () => choose(0),
      End: () => choose(rows.length - 1),
      ArrowRight: () => onTurn(1),
      ArrowLeft: () => onTurn(-1),
      Enter: () => row && onOpen(row.id),
      o: () => row && onOpenInOhif(row.id),
    }
    const action = actions[event.key]
    if (!action) return
    event.preventDefault()
    action()
  }

  const click = (event: MouseEvent, id: string) => {
    const inLink = (event.target as Element).closest('a')
    if (!inLink && !window.getSelection()?.toString()) onOpen(id)
  }

  return (
    <div className="min-h-0 flex-1 overflow-auto">
      <table className="w-full min-w-[46rem] table-fixed border-separate border-spacing-0" onKeyDown={press}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => (
                <th
                  key={header.id}
                  scope="col"
                  className={clsx(
                    'sticky top-0 z-10 h-7 border-b border-line bg-panel px-2 text-left text-2xs font-medium whitespace-nowrap text-faint first:pl-3',
                    WIDTHS[header.column.id],
                    HIDDEN[header.column.id],
                  )}
                >
                  <table.FlexRender header={header} />
                </th>
              ))}
            </tr>
          ))}
        </thead>
        <tbody ref={body}>
          {rows.map((row, index) => (
            <tr
              key={row.id}
              data-study-row={row.id}
              tabIndex={index === at ? 0 : -1}
              aria-selected={row.id === chosen}
              onFocus={() => setChosen(row.id)}
              onClick={(event) => click(event, row.id)}
              className={clsx(
                'group h-8 cursor-pointer hover:bg-raised aria-selected:bg-hover',
                fresh.has(row.id) && 'animate-arrive',
              )}
            >
              {row.getAllCells().map((cell) => (
                <td
                  key={cell.id}
                  className={clsx(
                    'truncate border-b border-line/60 px-2 first:pl-3',
                    HIDDEN[cell.column.id],
                  )}
                >
                  <table.FlexRender cell={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
