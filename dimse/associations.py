"""The associations that are open: how many there may be, and how they end with the process."""

import socket
import threading
import time

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.dimse.association import Association, Retire
from hounsfield.dimse.callers import Callers

log = structlog.get_logger()


class Associations:
    """Starts a thread for each association, within the quotas per host and in all."""

    def __init__(self, archive: Archive, callers: Callers) -> None:
        self._archive = archive
        self._callers = callers
        self._settings = archive.settings.dimse
        self._lock = threading.RLock()  # stop() may interrupt admit() in a signal handler
        self._threads: dict[Association, threading.Thread] = {}
        self._stopping = False

    def admit(self, sock: socket.socket, host: str, request: bytes, retire: Retire) -> bool:
        """Begin an association, or answer that there is no room for it now."""
        association = Association(self._archive, self._callers, sock, host, request, retire)
        thread = threading.Thread(
            target=self._run, args=(association,), name=f"association {host}", daemon=True
        )
        with self._lock:
            if self._stopping or not self._has_room(host):
                return False
            try:
                thread.start()
            except RuntimeError:
                log.exception("association.no_thread")
                return False
            self._threads[association] = thread
        return True

    def stop(self, grace_seconds: float) -> None:
        """End all: each after its message in progress, or once the grace is over."""
        with self._lock:
            self._stopping = True
            threads = dict(self._threads)
        for association in threads:
            association.end_soon()
        deadline = time.monotonic() + grace_seconds
        for association, thread in threads.items():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                association.end_now()
        for thread in threads.values():
            thread.join(1.0)

    def _has_room(self, host: str) -> bool:
        from_host = sum(association.host == host for association in self._threads)
        return (
            len(self._threads) < self._settings.max_associations
            and from_host < self._settings.max_associations_per_host
        )

    def _run(self, association: Association) -> None:
        try:
            association.run()
        finally:
            self._remove(association)

    def _remove(self, association: Association) -> None:
        with self._lock:
            del self._threads[association]
