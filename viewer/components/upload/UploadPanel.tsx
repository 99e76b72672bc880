'use client'

import { ChevronDown, ChevronUp, X } from 'lucide-react'
import { useState } from 'react'
import { NoteList } from '@/components/upload/NoteList'
import { Bar } from '@/components/ui/Bar'
import { Button } from '@/components/ui/Button'
import { bytes, count } from '@/lib/text'
import type { UploadQueue } from '@/lib/upload/queue'
import type { UploadState } from '@/lib/upload/state'

interface UploadPanelProps {
  queue: UploadQueue
  state: UploadState
}

/** How the upload stands: its bar, what was left out or refused, and what can be done. */
export function UploadPanel({ queue, state }: UploadPanelProps) {
  const [folded, setFolded] = useState(false)
  const ended = state.phase === 'ended'
  const Fold = folded ? ChevronUp : ChevronDown
  return (
    <section
      aria-label="Upload"
      data-testid="upload"
      data-phase={state.phase}
      className="fixed right-3 bottom-10 z-30 flex w-[26rem] max-w-[calc(100vw-1.5rem)] flex-col rounded-lg border border-edge bg-panel shadow-2xl shadow-black/70"
    >
      <header className="flex items-center gap-1 py-1.5 pr-1.5 pl-3">
        <h2 className="flex-1 font-medium" aria-live="polite">
          {headline(state)}
        </h2>
        <Button look="quiet" aria-label={folded ? 'Unfold' : 'Fold'} onClick={() => setFolded(!folded)}>
          <Fold aria-hidden />
        </Button>
        {ended && (
          <Button look="quiet" aria-label="Close" onClick={() => queue.dismiss()}>
            <X aria-hidden />
          </Button>
        )}
      </header>
      <div className="px-3 pb-3">
        <Bar value={state.progress} label="Upload" tone={tone(state)} />
        <div className="mt-2 flex min-h-7 items-center gap-2 text-xs text-soft tabular-nums">
          <p className="flex-1">{details(state)}</p>
          {!ended && <Button onClick={() => queue.cancel()}>Cancel</Button>}
          {ended && state.unconfirmed > 0 && (
            <Button look="primary" onClick={() => queue.resend()}>
              Send {count(state.unconfirmed, 'file')} again
            </Button>
          )}
        </div>
        {state.problem && <p className="mt-1 text-xs text-bad">{state.problem}</p>}
      </div>
      {!folded && state.notes.length > 0 && <NoteList notes={state.notes} />}
    </section>
  )
}

function headline(state: UploadState): string {
  if (state.phase === 'reading') return `Looking through ${count(state.found, 'file')}…`
  if (state.phase === 'sending') return `Storing ${count(state.files, 'file')}`
  if (state.unconfirmed > 0) {
    return state.canceled ? 'Canceled before everything was stored' : 'Not everything was stored'
  }
  if (state.stored === 0) return 'Nothing was stored'
  return `${count(state.stored, 'file')} stored`
}

function details(state: UploadState): string {
  const amount = `${bytes(state.sentBytes)} of ${bytes(state.bytes)}`
  const confirmed = `${state.stored.toLocaleString('en')} of ${state.files.toLocaleString('en')} confirmed`
  return state.files === 0 ? `${count(state.found, 'file')} found, none of them DICOM` : `${confirmed} · ${amount}`
}

function tone(state: UploadState): 'accent' | 'good' | 'warn' | 'bad' {
  if (state.phase !== 'ended') return 'accent'
  if (state.unconfirmed > 0 || state.stored === 0) return 'bad'
  return state.notes.length > 0 ? 'warn' : 'good'
}
