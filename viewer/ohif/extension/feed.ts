/** Our change feed over a WebSocket: resumed by its sequence numbers, without gap or repeat. */

import type { LiveEvent } from './types.js';

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;

export class Feed {
  private socket: WebSocket | null = null;
  private since: number | null = null;
  private retry = FIRST_RETRY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    private readonly onEvent: (event: LiveEvent) => void,
    private readonly onReset: () => void
  ) {}

  open(): void {
    const scheme = window.location.protocol === 'https:' ? 'wss' : 'ws';
    const from = this.since === null ? '' : `?since=${this.since}`;
    const socket = new WebSocket(`${scheme}://${window.location.host}/api/live${from}`);
    socket.onmessage = message => this.take(JSON.parse(String(message.data)));
    socket.onclose = () => this.again();
    this.socket = socket;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  private take(frame: LiveEvent): void {
    this.retry = FIRST_RETRY_MS;
    if (frame.type === 'hello') {
      this.since ??= frame.sequence;
    } else if (frame.type === 'reset') {
      this.since = frame.sequence;
      this.onReset();
    } else if (frame.type !== 'ping' && frame.sequence > (this.since ?? 0)) {
      this.since = frame.sequence;
      this.onEvent(frame);
    }
  }

  private again(): void {
    if (this.closed) return;
    this.timer = setTimeout(() => this.open(), this.retry);
    this.retry = Math.min(this.retry * 2, LONGEST_RETRY_MS);
  }
}
