/** How long to wait before try number `attempt` (from 0): doubling, capped, spread by a fifth. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(500 * 2 ** attempt, 15_000)
  return Math.round(base * (0.8 + 0.4 * random()))
}
