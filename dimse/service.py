"""The DIMSE process: C-ECHO and C-STORE as provider, on one port (PS3.4 A and B, PS3.8)."""

import socket

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.dimse.associations import Associations
from hounsfield.dimse.listener import Listener

log = structlog.get_logger()


class DimseService:
    """The listener and the associations that it let in."""

    def __init__(self, archive: Archive) -> None:
        self._settings = archive.settings.dimse
        self._associations = Associations(archive)
        self._listener: Listener | None = None

    def start(self) -> None:
        """Bind. From here on connections are queued; :meth:`serve_forever` takes them."""
        self._listener = Listener(self._settings, self._admit)
        log.info(
            "dimse.listening",
            host=self._settings.host,
            port=self.port,
            ae_title=self._settings.ae_title,
        )

    @property
    def port(self) -> int:
        """The port that is bound; it tells which one was free where the setting is 0."""
        return self._bound.port

    def serve_forever(self) -> None:
        """Serve until :meth:`stop`."""
        self._bound.run()

    def stop(self, grace_seconds: float) -> None:
        """Take no more associations; end the open ones, each after its message in progress.

        What is not done within ``grace_seconds`` is aborted, and its partial instance removed.
        May be called from any thread, and from a signal handler.
        """
        self._bound.stop()
        self._associations.stop(grace_seconds)

    def _admit(self, sock: socket.socket, host: str, request: bytes) -> bool:
        return self._associations.admit(sock, host, request, self._bound.retire)

    @property
    def _bound(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("start() comes first")
        return self._listener
