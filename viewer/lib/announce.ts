/** The few events that are worth a word on whatever page is open. */

import { toast } from 'sonner'
import { formatMeasurement } from '@/lib/job-words'
import type { FeedEvent, Measurement } from '@/lib/types'
import { displayText } from '@/lib/text'
import { studyPath } from '@/lib/paths'

export function announce(event: FeedEvent, open: (path: string) => void): void {
  const about = displayText(asText(event.data.series_description))
  const options = { id: event.job_id ?? event.type, ...openAction(event, open) }
  if (event.type === 'complete') {
    toast.success('Analysis complete', { ...options, description: [about, ...results(event)].filter(Boolean).join(', ') })
  } else if (event.type === 'failed') {
    const reason = displayText(asText(event.data.reason))
    toast.error('Analysis failed', { ...options, description: [about, reason].filter(Boolean).join(': ') })
  } else if (event.type === 'quarantined') {
    toast.warning('An instance was put in quarantine', {
      ...options,
      description: 'Other content arrived under a UID that is stored already. The first is kept.',
    })
  }
}

/** `Brain volume 1,973 ml` */
function results(event: FeedEvent): string[] {
  const { measurements } = event.data as { measurements?: Measurement[] }
  return (measurements ?? []).slice(0, 2).map((item) => `${displayText(item.name)} ${formatMeasurement(item)}`)
}

function openAction(event: FeedEvent, open: (path: string) => void) {
  const uid = event.study_instance_uid
  if (!uid || window.location.search.includes(encodeURIComponent(uid))) return {}
  return { action: { label: 'Open', onClick: () => open(studyPath(uid)) } }
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
