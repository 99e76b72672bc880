'use client'

import { Pencil, Trash2 } from 'lucide-react'
import { ProbeResult } from '@/components/peers/ProbeResult'
import { Button } from '@/components/ui/Button'
import { Hint } from '@/components/ui/Hint'
import { RIGHTS, boundTo, where } from '@/lib/peers'
import { useTestPeer } from '@/lib/queries'
import { displayText } from '@/lib/text'
import type { Peer } from '@/lib/types'

interface PeerRowProps {
  peer: Peer
  onEdit: () => void
  onRemove: () => void
}

/** A peer, what can be done with it, and below it what it last answered. */
export function PeerRow({ peer, onEdit, onRemove }: PeerRowProps) {
  const test = useTestPeer()
  const cell = 'h-10 border-b border-line/60 px-2 py-1 align-middle first:pl-3'
  return (
    <tbody data-peer={peer.ae_title} className="hover:bg-raised/50">
      <tr>
        <td className={cell}>
          <p className="truncate font-mono text-xs font-medium">{displayText(peer.ae_title)}</p>
          {peer.description && (
            <p className="truncate text-2xs text-faint">
              <bdi>{displayText(peer.description)}</bdi>
            </p>
          )}
        </td>
        <td className={`${cell} truncate font-mono text-xs`} title={where(peer)}>
          {peer.host ? where(peer) : <span className="font-sans text-faint">{where(peer)}</span>}
        </td>
        <td className={cell}>
          <Rights peer={peer} />
        </td>
        <td className={`${cell} truncate font-mono text-xs`} title={boundTo(peer)}>
          {boundTo(peer) || <Unbound />}
        </td>
        <td className={cell}>
          <span className="flex items-center justify-end">
            <Button disabled={!peer.host || test.isPending} onClick={() => test.mutate(peer.ae_title)}>
              {test.isPending ? 'Testing…' : 'Test'}
            </Button>
            <Button look="quiet" aria-label={`Change ${peer.ae_title}`} onClick={onEdit}>
              <Pencil aria-hidden />
            </Button>
            <Button look="quiet" aria-label={`Remove ${peer.ae_title}`} onClick={onRemove}>
              <Trash2 aria-hidden />
            </Button>
          </span>
        </td>
      </tr>
      {(test.data || test.error) && (
        <tr>
          <td colSpan={5} className="border-b border-line/60 px-3 pt-1.5 pb-3">
            <ProbeResult probe={test.data} problem={test.error?.message} />
          </td>
        </tr>
      )}
    </tbody>
  )
}

function Rights({ peer }: { peer: Peer }) {
  const granted = RIGHTS.filter(({ name }) => peer[name])
  if (granted.length === 0) return <span className="text-xs text-faint">nothing but C-ECHO</span>
  return (
    <span className="flex flex-wrap gap-1">
      {granted.map(({ word, detail }) => (
        <Hint key={word} text={detail}>
          <span className="rounded-sm border border-edge bg-white/3 px-1 font-mono text-2xs leading-4 text-soft">
            {word}
          </span>
        </Hint>
      ))}
    </span>
  )
}

function Unbound() {
  return (
    <Hint text="Nothing shows that a caller with this AE title is this peer. Beyond loopback it is rejected.">
      <span className="font-sans text-warn">nothing</span>
    </Hint>
  )
}
