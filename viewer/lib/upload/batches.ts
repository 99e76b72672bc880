/** How many files go into one request. */

export const PARALLEL = 3
const FEWEST = 20
const MOST = 40
const MOST_BYTES = 128 * 1024 * 1024

/** How many of the waiting files to send next: so many that all connections have work. */
export function batchLength(sizes: readonly number[]): number {
  const wanted = Math.min(MOST, Math.max(FEWEST, Math.ceil(sizes.length / PARALLEL)))
  let total = 0
  let length = 0
  while (length < Math.min(wanted, sizes.length)) {
    total += sizes[length] ?? 0
    if (length > 0 && total > MOST_BYTES) break
    length += 1
  }
  return length
}
