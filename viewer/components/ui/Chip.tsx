import clsx from 'clsx'

const TONES: Record<string, string> = {
  CT: 'border-teal-400/30 text-teal-300',
  MR: 'border-sky-400/30 text-sky-300',
  PT: 'border-orange-400/30 text-orange-300',
  NM: 'border-orange-400/30 text-orange-300',
  US: 'border-indigo-400/30 text-indigo-300',
  SEG: 'border-fuchsia-400/30 text-fuchsia-300',
  SR: 'border-amber-400/30 text-amber-300',
}

/** A modality, as a small label of a colour of its own. */
export function ModalityChip({ modality }: { modality: string }) {
  return (
    <span
      className={clsx(
        'inline-block rounded-sm border bg-white/3 px-1 font-mono text-2xs leading-4 font-medium',
        TONES[modality] ?? 'border-edge text-soft',
      )}
    >
      {modality}
    </span>
  )
}

/** What every result of a model is marked with. */
export function ResearchMark() {
  return (
    <span className="inline-flex items-center gap-1.5 rounded-sm border border-warn/35 bg-warn/8 px-1.5 text-2xs leading-4.5 font-medium text-warn">
      AI result, unverified, research use
    </span>
  )
}
