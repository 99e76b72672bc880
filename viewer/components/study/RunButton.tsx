'use client'

import { BrainCircuit } from 'lucide-react'
import { useState } from 'react'
import { RunDialog } from '@/components/study/RunDialog'
import { Button } from '@/components/ui/Button'
import { Hint } from '@/components/ui/Hint'
import { useStatus } from '@/lib/queries'
import type { StudyDetail } from '@/lib/types'

/** Asks which series and which model, then runs it. */
export function RunButton({ study, seriesUid, label = 'Run AI…' }: { study: StudyDetail; seriesUid?: string; label?: string }) {
  const [open, setOpen] = useState(false)
  const { data: status } = useStatus()
  const why = whyNot(study, status?.inference_enabled, status?.models.length)
  return (
    <>
      <Hint text={why}>
        <span>
          <Button disabled={why !== null} onClick={() => setOpen(true)}>
            <BrainCircuit aria-hidden /> {label}
          </Button>
        </span>
      </Hint>
      {open && <RunDialog study={study} seriesUid={seriesUid} models={status?.models ?? []} onClose={() => setOpen(false)} />}
    </>
  )
}

/** The series that a model may be run on: what was acquired, not what was made of it. */
export function candidates(study: StudyDetail) {
  const made = new Set(['SR', 'SEG', 'PR', 'KO', 'RTSTRUCT', 'RTPLAN', 'DOC'])
  return study.series.filter((series) => series.job_id === null && !made.has(series.modality ?? ''))
}

function whyNot(study: StudyDetail, enabled: boolean | undefined, models: number | undefined): string | null {
  if (enabled === false) return 'Inference is switched off on this server.'
  if (!models) return 'No model is installed on this server.'
  if (candidates(study).length === 0) return 'The study has no image series.'
  return null
}
