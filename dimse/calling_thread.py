"""A thread that opens associations beside those that come in."""

from collections.abc import Iterator
from contextlib import contextmanager

from hounsfield.archive.background import Background
from hounsfield.dimse.requestor import Requestor

END_SECONDS = 3.0


class CallingThread(Background):
    """Its end does not wait for a peer."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._requestor: Requestor | None = None

    @contextmanager
    def calling(self, requestor: Requestor) -> Iterator[Requestor]:
        """The association, open while the block runs."""
        self._requestor = requestor
        try:
            with requestor:
                yield requestor
        finally:
            self._requestor = None

    def stop(self) -> None:
        """End, and end the association that is open."""
        self._ended.set()
        requestor = self._requestor
        if requestor is not None:
            requestor.interrupt()
        if self.is_alive():
            self.join(END_SECONDS)
