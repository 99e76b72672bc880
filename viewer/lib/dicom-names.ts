/** Person names (PS3.5 6.2.1: VR PN) as a person reads them. */

import { displayText } from '@/lib/text'

export interface PersonName {
  /** `Demo, Head` */
  main: string
  /** The ideographic group, where there is one and it is not the main one. */
  ideographic: string
  /** The phonetic group, likewise. */
  phonetic: string
}

/** A PN value with its up to three component groups (PS3.5 6.2.1.1). */
export function parseName(value: string | null | undefined): PersonName {
  const groups = (value ?? '').split('=').map(formatGroup)
  const [alphabetic = '', ideographic = '', phonetic = ''] = groups
  const main = alphabetic || ideographic || phonetic
  return {
    main,
    ideographic: ideographic === main ? '' : ideographic,
    phonetic: phonetic === main ? '' : phonetic,
  }
}

/** One line: `Yamada, Tarou (山田, 太郎)`; without a name `(no name)`. */
export function formatName(value: string | null | undefined): string {
  const name = parseName(value)
  const other = name.ideographic || name.phonetic
  if (!name.main) return '(no name)'
  return other ? `${name.main} (${other})` : name.main
}

/** Family^Given^Middle^Prefix^Suffix to `Family, Prefix Given Middle, Suffix`. */
function formatGroup(group: string): string {
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = group
    .split('^')
    .map((part) => displayText(part))
  const first = [prefix, given, middle].filter(Boolean).join(' ')
  return [family, first, suffix].filter(Boolean).join(', ')
}
