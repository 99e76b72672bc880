'use client'

import { type FormEvent, useState } from 'react'
import { Button } from '@/components/ui/Button'
import { Dialog } from '@/components/ui/Dialog'
import { Check, Field } from '@/components/ui/Field'
import { EMPTY_FORM, type PeerForm, RIGHTS, formOf, requestOf } from '@/lib/peers'
import { useSavePeer } from '@/lib/queries'
import { displayText } from '@/lib/text'
import type { Peer } from '@/lib/types'

type Text = { [Name in keyof PeerForm]: PeerForm[Name] extends string ? Name : never }[keyof PeerForm]

/** A peer as it shall be: a new one, or one that is there already. */
export function PeerDialog({ peer, onClose }: { peer?: Peer; onClose: () => void }) {
  const [form, setForm] = useState(peer ? formOf(peer) : EMPTY_FORM)
  const save = useSavePeer()
  const text = (name: Text) => ({
    value: form[name],
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value }),
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    save.mutate({ request: requestOf(form), isNew: !peer }, { onSuccess: onClose })
  }

  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={peer ? `Change ${displayText(peer.ae_title)}` : 'Add a peer'}
      description="A DICOM node that this server knows. A change counts within seconds."
    >
      <form className="space-y-4" onSubmit={submit}>
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="AE title" required maxLength={16} readOnly={Boolean(peer)} autoFocus={!peer} {...text('ae_title')} />
          <Field label="Description" {...text('description')} />
        </div>
        <div className="grid grid-cols-[1fr_6rem] gap-3">
          <Field
            label="Host"
            placeholder="pacs.example or 10.1.2.3"
            hint="Where we call it. Empty: it only calls us."
            {...text('host')}
          />
          <Field label="Port" required inputMode="numeric" pattern="[0-9]{1,5}" {...text('port')} />
        </div>
        <Check label="TLS" detail="call it with TLS" checked={form.tls} onChange={(tls) => setForm({ ...form, tls })} />
        <fieldset>
          <legend className="mb-1.5 text-xs font-medium text-soft">It may</legend>
          <div className="grid gap-1 sm:grid-cols-2">
            {RIGHTS.map(({ name, word, detail }) => (
              <Check
                key={name}
                label={word}
                detail={detail}
                checked={form[name]}
                onChange={(checked) => setForm({ ...form, [name]: checked })}
              />
            ))}
          </div>
        </fieldset>
        <div className="grid gap-3 sm:grid-cols-2">
          <Field
            label="Calls from"
            placeholder="10.1.2.3, 10.1.0.0/16"
            hint="Addresses or networks. Empty: the host, if it is an address."
            {...text('addresses')}
          />
          <Field
            label="Certificate"
            placeholder="sha256:… or a name in it"
            hint="What its certificate has to be, with TLS."
            {...text('certificate')}
          />
          <Field
            label="Associations at once"
            inputMode="numeric"
            pattern="[0-9]*"
            placeholder="no limit of its own"
            {...text('max_associations')}
          />
          <Field
            label="Transfer syntaxes that it prefers"
            placeholder="as stored"
            {...text('preferred_transfer_syntaxes')}
          />
        </div>
        {save.error && (
          <p role="alert" className="rounded border border-bad/40 bg-bad/10 px-3 py-2 text-bad wrap-anywhere">
            {save.error.message}
          </p>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" disabled={save.isPending}>
            {peer ? 'Save' : 'Add'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
