/** How far an upload is. It never runs back, although a broken request is sent again. */
export class Meter {
  private finished = 0
  private total = 0
  private highest = 0
  private readonly underWay = new Map<object, number>()

  expect(bytes: number): void {
    this.total += bytes
  }

  /** So many bytes of one request have left. */
  sending(request: object, bytes: number): void {
    this.underWay.set(request, bytes)
  }

  /** A request has ended; `bytes` of it need not be sent again. */
  ended(request: object, bytes: number): void {
    this.underWay.delete(request)
    this.finished += bytes
  }

  get progress(): number {
    const sent = [...this.underWay.values()].reduce((sum, bytes) => sum + bytes, this.finished)
    this.highest = Math.max(this.highest, this.total > 0 ? Math.min(sent / this.total, 1) : 0)
    return this.highest
  }

  get expected(): number {
    return this.total
  }
}
