import { parseName } from '@/lib/dicom-names'

/** A person's name; it cannot change the direction of the text around it. */
export function PersonName({ value }: { value: string | null }) {
  const name = parseName(value)
  const other = name.ideographic || name.phonetic
  if (!name.main) return <span className="text-faint">(no name)</span>
  return (
    <span>
      <bdi>{name.main}</bdi>
      {other && <bdi className="ml-1.5 font-normal text-soft">{other}</bdi>}
    </span>
  )
}
