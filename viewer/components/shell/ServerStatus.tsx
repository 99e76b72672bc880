'use client'

import type { ReactNode } from 'react'
import { Message } from '@/components/ui/Message'
import { useStatus } from '@/lib/queries'
import { bytes, displayText } from '@/lib/text'
import type { Model, Status } from '@/lib/types'

/** What server this is, how to reach it, and which models it runs. */
export function ServerStatus() {
  const { data: status, error } = useStatus()
  if (!status) {
    return <Message title={error ? 'The server does not answer' : 'Asking the server…'}>{error?.message}</Message>
  }
  return (
    <div className="min-h-0 flex-1 overflow-y-auto">
      <div className="mx-auto grid max-w-5xl gap-4 p-4 md:grid-cols-2">
        <Panel title="Server">
          <Facts facts={serverFacts(status)} />
        </Panel>
        <Panel title="Archive">
          <Facts facts={archiveFacts(status)} />
        </Panel>
        <section className="md:col-span-2">
          <h2 className="mb-2 text-xs font-semibold text-soft">Models</h2>
          {!status.inference_enabled && <p className="mb-2 text-warn">Inference is switched off on this server.</p>}
          <div className="space-y-2">
            {status.models.map((model) => (
              <ModelCard key={`${model.name} ${model.version}`} model={model} />
            ))}
            {status.models.length === 0 && <p className="text-soft">No model is installed.</p>}
          </div>
        </section>
      </div>
    </div>
  )
}

function Panel({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="rounded-md border border-line bg-panel p-3">
      <h2 className="mb-2 text-xs font-semibold text-soft">{title}</h2>
      {children}
    </section>
  )
}

function Facts({ facts }: { facts: [string, string][] }) {
  return (
    <dl className="grid grid-cols-[6rem_1fr] items-baseline gap-y-1">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-faint">{name}</dt>
          <dd className="font-mono text-xs break-all select-all">{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function ModelCard({ model }: { model: Model }) {
  return (
    <article className="rounded-md border border-line bg-panel p-3">
      <h3 className="font-medium">
        {displayText(model.title)} <span className="text-faint">{model.version}</span>
      </h3>
      <p className="mt-1 max-w-3xl text-soft">{displayText(model.intended_use)}</p>
      <p className="mt-1.5 font-mono text-2xs break-all text-faint">{model.digest}</p>
    </article>
  )
}

function serverFacts(status: Status): [string, string][] {
  const origin = typeof window === 'undefined' ? '' : window.location.origin
  return [
    ['Version', status.version],
    ['AE title', status.ae_title],
    ['DIMSE port', String(status.dimse_port)],
    ['DICOMweb', `${origin}/dicom-web`],
    ['JSON API', `${origin}/api`],
  ]
}

function archiveFacts({ counts, sequence }: Status): [string, string][] {
  return [
    ['Studies', counts.studies.toLocaleString('en')],
    ['Series', counts.series.toLocaleString('en')],
    ['Instances', counts.instances.toLocaleString('en')],
    ['Stored', bytes(counts.bytes)],
    ['Last event', sequence.toLocaleString('en')],
  ]
}
