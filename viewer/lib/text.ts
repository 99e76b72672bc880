/**
 * Text that came from a sender, made safe to show.
 *
 * React escapes markup. What is left are characters that move or hide others: terminal controls
 * and the bidirectional overrides, with which a name can be made to read backwards (UAX #9).
 */

const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200b\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g

/** The text on one line, with a visible mark where a control character stood. */
export function displayText(text: string | null | undefined): string {
  return (text ?? '').replace(/[\r\n\t]+/g, ' ').replace(CONTROLS, '\ufffd').trim()
}

/** `1 series`, `3 series`, `1 file`, `20 files`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** `526 kB`, `1.2 GB`: decimal units, as file managers show them. */
export function bytes(size: number): string {
  const power = size < 1 ? 0 : Math.min(Math.floor(Math.log10(size) / 3), UNITS.length - 1)
  const value = size / 1000 ** power
  return `${value.toFixed(power === 0 || value >= 100 ? 0 : 1)} ${UNITS[power] ?? ''}`
}
