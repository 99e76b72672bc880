'use client'

import { Plus } from 'lucide-react'
import { useState } from 'react'
import { PeerDialog } from '@/components/peers/PeerDialog'
import { PeerRow } from '@/components/peers/PeerRow'
import { RemoveDialog } from '@/components/peers/RemoveDialog'
import { Button } from '@/components/ui/Button'
import { Message } from '@/components/ui/Message'
import { usePeers } from '@/lib/queries'
import { count } from '@/lib/text'
import type { Peer } from '@/lib/types'

type Asked = { what: 'add' } | { what: 'edit' | 'remove'; peer: Peer }

const COLUMNS = [
  { title: 'AE title', width: 'w-[22%]' },
  { title: 'Where we call it', width: 'w-[22%]' },
  { title: 'May', width: '' },
  { title: 'Bound to', width: 'w-[20%]' },
  { title: '', width: 'w-40' },
]

/** The AE book: the DICOM nodes that this server knows. */
export function PeersView() {
  const { data, error } = usePeers()
  const [asked, setAsked] = useState<Asked | null>(null)
  const close = () => setAsked(null)
  return (
    <>
      <div className="flex h-11 shrink-0 items-center gap-3 border-b border-line px-3">
        <span className="shrink-0 text-xs text-soft tabular-nums" role="status">
          {data && count(data.items.length, 'peer')}
        </span>
        {data && <p className="hidden truncate text-xs text-faint sm:block">{others(data.only_known)}</p>}
        <div className="flex-1" />
        <Button onClick={() => setAsked({ what: 'add' })}>
          <Plus aria-hidden /> Add a peer
        </Button>
      </div>
      {!data && <Message title={error ? 'The peers could not be read' : 'Reading…'}>{error?.message}</Message>}
      {data && data.items.length === 0 && (
        <Message title="No peer yet">
          A peer is a DICOM node that this server knows: a modality that sends images here, a PACS or a
          workstation that queries it, a place to which it sends. {others(data.only_known)}
        </Message>
      )}
      {data && data.items.length > 0 && (
        <div className="min-h-0 flex-1 overflow-auto">
          <table className="w-full min-w-[46rem] table-fixed border-separate border-spacing-0">
            <thead>
              <tr>
                {COLUMNS.map(({ title, width }) => (
                  <th
                    key={title}
                    scope="col"
                    className={`sticky top-0 z-10 h-7 border-b border-line bg-panel px-2 text-left text-2xs font-medium whitespace-nowrap text-faint first:pl-3 ${width}`}
                  >
                    {title || <span className="sr-only">Actions</span>}
                  </th>
                ))}
              </tr>
            </thead>
            {data.items.map((peer) => (
              <PeerRow
                key={peer.ae_title}
                peer={peer}
                onEdit={() => setAsked({ what: 'edit', peer })}
                onRemove={() => setAsked({ what: 'remove', peer })}
              />
            ))}
          </table>
        </div>
      )}
      {asked?.what === 'add' && <PeerDialog onClose={close} />}
      {asked?.what === 'edit' && <PeerDialog peer={asked.peer} onClose={close} />}
      {asked?.what === 'remove' && <RemoveDialog peer={asked.peer} onClose={close} />}
    </>
  )
}

function others(onlyKnown: boolean): string {
  return onlyKnown
    ? 'Callers that are not listed are rejected.'
    : 'Callers on this machine that are not listed may do everything.'
}
