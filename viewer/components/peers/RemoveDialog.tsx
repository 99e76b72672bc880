'use client'

import { Button } from '@/components/ui/Button'
import { Dialog } from '@/components/ui/Dialog'
import { useRemovePeer } from '@/lib/queries'
import { displayText } from '@/lib/text'
import type { Peer } from '@/lib/types'

/** Asks before a peer is taken out of the book. */
export function RemoveDialog({ peer, onClose }: { peer: Peer; onClose: () => void }) {
  const remove = useRemovePeer()
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`Remove ${displayText(peer.ae_title)}?`}
      description="Its rights end within seconds, on associations that are open too. What it has stored stays."
    >
      {remove.error && (
        <p role="alert" className="rounded border border-bad/40 bg-bad/10 px-3 py-2 text-bad">
          {remove.error.message}
        </p>
      )}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          look="danger"
          disabled={remove.isPending}
          onClick={() => remove.mutate(peer.ae_title, { onSuccess: onClose })}
        >
          Remove
        </Button>
      </div>
    </Dialog>
  )
}
