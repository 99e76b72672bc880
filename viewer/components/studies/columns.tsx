import { createColumnHelper, tableFeatures } from '@tanstack/react-table'
import Link from 'next/link'
import { AnalysisCell } from '@/components/studies/AnalysisCell'
import { ModalityChip } from '@/components/ui/Chip'
import { PersonName } from '@/components/ui/PersonName'
import { formatDate, formatStamp, formatTime } from '@/lib/dicom-dates'
import { studyPath } from '@/lib/paths'
import { displayText } from '@/lib/text'
import type { Study } from '@/lib/types'

export const features = tableFeatures({})
const helper = createColumnHelper<typeof features, Study>()

/** What a narrow window leaves out, by column. */
export const HIDDEN: Record<string, string> = { accession: 'hidden xl:table-cell', stored: 'hidden lg:table-cell' }

export const columns = helper.columns([
  helper.display({
    id: 'patient',
    header: 'Patient',
    cell: ({ row: { original: study } }) => (
      <Link href={studyPath(study.study_instance_uid)} tabIndex={-1} prefetch={false} className="font-medium">
        <PersonName value={study.patient_name} />
      </Link>
    ),
  }),
  helper.display({
    id: 'id',
    header: 'ID',
    cell: ({ row }) => <bdi className="font-mono text-xs text-soft">{displayText(row.original.patient_id)}</bdi>,
  }),
  helper.display({
    id: 'date',
    header: 'Study date',
    cell: ({ row: { original: study } }) => (
      <span className="tabular-nums">
        {formatDate(study.study_date)} <span className="hidden text-faint lg:inline">{formatTime(study.study_time)}</span>
      </span>
    ),
  }),
  helper.display({
    id: 'description',
    header: 'Description',
    cell: ({ row }) => <bdi>{displayText(row.original.study_description)}</bdi>,
  }),
  helper.display({
    id: 'accession',
    header: 'Accession',
    cell: ({ row }) => <bdi className="font-mono text-xs text-soft">{displayText(row.original.accession_number)}</bdi>,
  }),
  helper.display({
    id: 'modalities',
    header: 'Modalities',
    cell: ({ row }) => <Modalities modalities={row.original.modalities} />,
  }),
  helper.display({
    id: 'counts',
    header: 'Series / images',
    cell: ({ row: { original: study } }) => (
      <span className="text-soft tabular-nums">
        {study.series_count.toLocaleString('en')} / {study.instance_count.toLocaleString('en')}
      </span>
    ),
  }),
  helper.display({
    id: 'analysis',
    header: 'AI',
    cell: ({ row }) => <AnalysisCell job={row.original.analysis} />,
  }),
  helper.display({
    id: 'stored',
    header: 'Stored',
    cell: ({ row }) => (
      <time dateTime={row.original.stored_at} className="text-soft tabular-nums">
        {formatStamp(row.original.stored_at)}
      </time>
    ),
  }),
])

const MOST_LETTERS = 9

function Modalities({ modalities }: { modalities: string[] }) {
  const fitting = modalities.filter(
    (_, index) => modalities.slice(0, index + 1).join('').length <= MOST_LETTERS || index === 0,
  )
  const more = modalities.length - fitting.length
  return (
    <span className="flex items-center gap-1" title={modalities.map(displayText).join(', ')}>
      {fitting.map((modality) => (
        <ModalityChip key={modality} modality={displayText(modality)} />
      ))}
      {more > 0 && <span className="text-2xs text-faint">+{more}</span>}
    </span>
  )
}
