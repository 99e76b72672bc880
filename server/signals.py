"""Being asked to end: SIGINT, SIGTERM or SIGHUP, waited for in the main thread."""

import select
import signal
import socket
from types import FrameType, TracebackType


class StopSignal:
    """``with StopSignal() as stop:`` takes the signals; ``stop.wait(seconds)`` sleeps on them.

    A socket pair and not an Event: an Event that a handler sets while the main thread is
    inside its lock never returns.
    """

    def __init__(self) -> None:
        self.requested = False
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)

    def wait(self, seconds: float) -> bool:
        """Sleep, at most ``seconds``; True once a signal has come."""
        if not self.requested:
            select.select([self._reader], [], [], seconds)
        return self.requested

    def request(self) -> None:
        """What a signal does; also for callers that are no signal."""
        self.requested = True
        self._writer.send(b"s")

    def __enter__(self) -> "StopSignal":
        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        self._before = {number: signal.signal(number, self._handle) for number in numbers}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if not self.requested:
            self.request()
