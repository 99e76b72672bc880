'use client'

import { Copy } from 'lucide-react'
import { type ReactNode, useSyncExternalStore } from 'react'
import { toast } from 'sonner'
import { Button } from '@/components/ui/Button'
import { useStatus } from '@/lib/queries'

const never = () => () => {}

/** An archive without a study says how to get one in. */
export function EmptyArchive() {
  const { data: status } = useStatus()
  const place = useSyncExternalStore(never, () => window.location, () => null)
  const host = place?.hostname ?? '127.0.0.1'
  const title = status?.ae_title ?? 'HOUNSFIELD'
  const port = status?.dimse_port ?? 11112
  return (
    <div className="flex min-h-0 flex-1 items-center justify-center overflow-auto p-6">
      <section className="w-full max-w-2xl space-y-4" aria-label="How to send a study">
        <div>
          <h1 className="text-base font-semibold">No studies yet</h1>
          <p className="text-soft">They appear here by themselves as they arrive. Three ways to send one:</p>
        </div>
        <Way name="Drag and drop" detail="Drop DICOM files or folders anywhere in this window, or use Files… and Folder… above." />
        <Way name="From a modality or PACS" detail="Add this server as a storage destination (C-STORE).">
          <dl className="mt-2 grid grid-cols-[6rem_1fr] gap-y-0.5 font-mono text-xs">
            <dt className="text-faint">AE title</dt>
            <dd className="select-all">{title}</dd>
            <dt className="text-faint">Host</dt>
            <dd className="select-all">{host}</dd>
            <dt className="text-faint">Port</dt>
            <dd className="select-all">{port}</dd>
          </dl>
        </Way>
        <Way name="From a command line" detail="With dcmtk, or by DICOMweb (STOW-RS).">
          <Command text={`storescu -aec ${title} +sd +r ${host} ${port} FOLDER`} />
          <Command text={`${place?.origin ?? ''}/dicom-web/studies`} />
        </Way>
      </section>
    </div>
  )
}

function Way({ name, detail, children }: { name: string; detail: string; children?: ReactNode }) {
  return (
    <div className="rounded-md border border-line bg-panel p-3">
      <h2 className="font-medium">{name}</h2>
      <p className="text-soft">{detail}</p>
      {children}
    </div>
  )
}

function Command({ text }: { text: string }) {
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    toast('Copied')
  }
  return (
    <div className="mt-2 flex items-center gap-1 rounded bg-ground pl-2.5">
      <code className="flex-1 py-1.5 font-mono text-xs break-all select-all">{text}</code>
      <Button look="quiet" aria-label="Copy" onClick={copy}>
        <Copy aria-hidden />
      </Button>
    </div>
  )
}
