'use client'

import { Search } from 'lucide-react'
import { type KeyboardEvent, type Ref, useEffect, useState } from 'react'
import { Kbd } from '@/components/ui/Kbd'

const PAUSE_MS = 200

interface SearchBoxProps {
  ref?: Ref<HTMLInputElement>
  text: string
  onSearch: (text: string) => void
}

/** Searches once typing has paused; Enter searches at once, Escape shows everything again. */
export function SearchBox({ ref, text, onSearch }: SearchBoxProps) {
  const [typed, setTyped] = useState(text)

  useEffect(() => {
    if (typed.trim() === text) return
    const timer = setTimeout(() => onSearch(typed.trim()), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [typed, text, onSearch])

  const press = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Enter') {
      onSearch(typed.trim())
      focusTable()
    } else if (event.key === 'ArrowDown') {
      event.preventDefault()
      focusTable()
    } else if (event.key === 'Escape') {
      setTyped('')
      event.currentTarget.blur()
    }
  }

  return (
    <label className="flex h-7 w-80 min-w-32 items-center gap-2 rounded border border-edge bg-ground px-2 focus-within:border-accent">
      <Search className="size-3.5 shrink-0 text-faint" aria-hidden />
      <input
        ref={ref}
        type="search"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={press}
        placeholder="Name, ID, accession, description"
        aria-label="Search studies"
        spellCheck={false}
        autoComplete="off"
        className="min-w-0 flex-1 bg-transparent text-xs outline-none placeholder:text-faint [&::-webkit-search-cancel-button]:hidden"
      />
      <Kbd>/</Kbd>
    </label>
  )
}

function focusTable(): void {
  document.querySelector<HTMLElement>('[data-study-row][tabindex="0"]')?.focus()
}
