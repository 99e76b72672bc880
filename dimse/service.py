"""The DIMSE process: our services on one port, and with TLS on another (PS3.8, PS3.15 B.12)."""

import threading
from contextlib import suppress

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.archive.background import Background
from hounsfield.archive.errors import Unavailable
from hounsfield.conf.hosts import is_loopback
from hounsfield.dimse.associations import Associations
from hounsfield.dimse.callers import Callers
from hounsfield.dimse.commitment_reports import CommitmentReports
from hounsfield.dimse.listener import Listener
from hounsfield.dimse.outgoing import Outgoing
from hounsfield.dimse.tls import ServerTls

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
LOOK_SECONDS = 2.0


class DimseService:
    """The listeners and the associations that they let in.

    A host beyond loopback is listened on as long as the AE book binds somebody, to an address or
    to a certificate; until then we stay on loopback.
    """

    def __init__(self, archive: Archive) -> None:
        self._settings = archive.settings.dimse
        self._callers = Callers(archive)
        self._associations = Associations(archive, self._callers)
        self._beside: list[Background] = [CommitmentReports(archive)]
        self._beside += [Outgoing(archive) for _ in range(archive.settings.outgoing.parallel)]
        self._tls: ServerTls | None = None
        self._host = ""
        self._ports = (self._settings.port, self._settings.tls.port)
        self._listeners: list[tuple[Listener, threading.Thread]] = []
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self._failure: Exception | None = None

    def start(self) -> None:
        """Bind. From here on connections are queued; :meth:`serve_forever` takes them."""
        if self._settings.tls.certificate is not None:
            self._tls = ServerTls(self._settings.tls)
        with suppress(Unavailable):
            self._callers.read_book()
        self._open(self._host_for_now())
        for thread in self._beside:
            thread.start()

    @property
    def port(self) -> int:
        """The port that is bound; it tells which one was free where the setting is 0."""
        return self._ports[0]

    @property
    def tls_port(self) -> int:
        """The same of the listener with TLS."""
        return self._ports[1]

    def serve_forever(self) -> None:
        """Serve until :meth:`stop`."""
        with self._changing:
            for _, thread in self._listeners:
                thread.start()
        tick = None if is_loopback(self._settings.host) else LOOK_SECONDS
        while not self._ended.wait(tick):
            self._move()
        for _, thread in self._listeners:
            if thread.ident is not None:
                thread.join()
        if self._failure is not None:
            raise self._failure

    def stop(self, grace_seconds: float) -> None:
        """Take no more associations; end the open ones, each after its message in progress.

        What is not done within ``grace_seconds`` is aborted, and its partial instance removed.
        May be called from any thread but the one that serves.
        """
        with self._changing:
            self._ended.set()
            for listener, _ in self._listeners:
                listener.stop()
        self._associations.stop(grace_seconds)
        for thread in self._beside:
            thread.stop()

    def _host_for_now(self) -> str:
        host = self._settings.host
        if is_loopback(host) or self._callers.is_anybody_bound:
            return host
        if self._host != LOOPBACK:
            log.error(
                "dimse.stays_on_loopback",
                host=host,
                reason="no peer in the AE book is bound to an address or a certificate",
            )
        return LOOPBACK

    def _move(self) -> None:
        """Listen where we may listen now; associations that are open go on."""
        try:
            host = self._host_for_now()
        except Unavailable:
            return
        if host == self._host:
            return
        with self._changing:
            if self._ended.is_set():
                return
            for listener, thread in self._listeners:
                listener.stop()
                thread.join()
            self._open(host)
            for _, thread in self._listeners:
                thread.start()

    def _open(self, host: str) -> None:
        admit = self._associations.admit
        listeners = [Listener(self._settings, admit, host, self._ports[0])]
        if self._tls is not None:
            secure = self._tls.context
            listeners.append(Listener(self._settings, admit, host, self._ports[1], secure))
            self._ports = (self._ports[0], listeners[1].port)
        self._ports = (listeners[0].port, self._ports[1])
        self._host = host
        self._listeners = [
            (each, threading.Thread(target=self._run, args=(each,), name=f"listener {each.port}"))
            for each in listeners
        ]
        log.info(
            "dimse.listening",
            host=host,
            port=self.port,
            tls_port=self.tls_port if self._tls is not None else None,
            ae_title=self._settings.ae_title,
        )

    def _run(self, listener: Listener) -> None:
        try:
            listener.run()
        except Exception as error:
            self._failure = error
            self._ended.set()
