'use client'

import { type FormEvent, useState } from 'react'
import { candidates } from '@/components/study/RunButton'
import { Button } from '@/components/ui/Button'
import { Choice } from '@/components/ui/Choice'
import { Dialog } from '@/components/ui/Dialog'
import { splitRuns } from '@/lib/job-words'
import { useStartJob } from '@/lib/queries'
import { count, displayText } from '@/lib/text'
import type { Model, Series, StudyDetail } from '@/lib/types'

interface RunDialogProps {
  study: StudyDetail
  seriesUid: string | undefined
  models: Model[]
  onClose: () => void
}

/** Says what will run on what, and that an earlier result stays. */
export function RunDialog({ study, seriesUid, models, onClose }: RunDialogProps) {
  const series = candidates(study)
  const [chosen, setChosen] = useState(seriesUid ?? series[0]?.series_instance_uid ?? '')
  const [model, setModel] = useState(models[0]?.name ?? '')
  const start = useStartJob(study.study_instance_uid)
  const earlier = splitRuns(study.jobs).current.some(
    (job) => job.series_instance_uid === chosen && job.model.name === model && job.label === 'complete',
  )

  const submit = (event: FormEvent) => {
    event.preventDefault()
    start.mutate(
      { study_instance_uid: study.study_instance_uid, series_instance_uid: chosen, model },
      {
        onSuccess: onClose,
      },
    )
  }

  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="Run AI on a series"
      description="The result is stored beside the images as a segmentation and a report. It is unverified and for research use."
    >
      <form className="space-y-4" onSubmit={submit}>
        <Choice legend="Series" name="series" value={chosen} onChange={setChosen} options={series.map(seriesOption)} />
        <Choice legend="Model" name="model" value={model} onChange={setModel} options={models.map(modelOption)} />
        {earlier && (
          <p className="rounded border border-line bg-raised px-3 py-2 text-soft">
            This series has a result of this model already. It stays; the new one names it as its predecessor.
          </p>
        )}
        {start.error && (
          <p role="alert" className="rounded border border-bad/40 bg-bad/10 px-3 py-2 text-bad">
            {start.error.message}
          </p>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" disabled={start.isPending || !chosen || !model}>
            {earlier ? 'Run again' : 'Run'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function seriesOption(series: Series) {
  const number = series.series_number ? `#${displayText(series.series_number)} ` : ''
  return {
    value: series.series_instance_uid,
    title: `${number}${displayText(series.series_description) || '(no description)'}`,
    detail: `${displayText(series.modality)}, ${count(series.instance_count, 'image')}`,
  }
}

function modelOption(model: Model) {
  return {
    value: model.name,
    title: `${displayText(model.title)} ${displayText(model.version)}`,
    detail: displayText(model.intended_use),
  }
}
