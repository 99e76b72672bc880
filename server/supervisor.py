"""The process tree: PostgreSQL, web, DIMSE and inference workers, kept alive by one parent.

The main thread does everything, because a child ends with the thread that started it
(``db.processes``). Nothing here holds state that a kill could lose.
"""

import socket
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import groupby

from hounsfield.conf.settings import Settings
from hounsfield.db.errors import CannotStart
from hounsfield.db.locks import FileLock, Locked
from hounsfield.server.children.child import Child
from hounsfield.server.children.postgres import KeptPostgres
from hounsfield.server.plan import environment_of, plan, upgrade_schema, why_no_inference
from hounsfield.server.signals import StopSignal
from hounsfield.server.startup import (
    await_database,
    bind,
    database_url,
    require_loopback,
    require_usable_tls,
)

POLL_SECONDS = 0.25
READY_SECONDS = 90.0
CHILDREN_END_SECONDS = 4.0
POSTGRES_END_SECONDS = 2.5

Say = Callable[[str], None]


class Supervisor:
    """``hounsfield serve``: starts the tree in order, keeps it, and ends it."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self._settings = settings.model_copy(update={"data_dir": settings.data_dir.resolve()})
        self._say = say
        self._stop = StopSignal()
        self._lock = FileLock(self._settings.data_dir / "hounsfield.lock")
        self._postgres: KeptPostgres | None = None
        self._listener: socket.socket | None = None
        self._children: list[Child] = []

    def run(self) -> None:
        """Serve until a signal. Raises CannotStart where the first start does not succeed."""
        with self._stop:
            try:
                self._start()
                while not self._stop.wait(POLL_SECONDS):
                    self._keep()
            except CannotStart:
                if not self._stop.requested:
                    raise
            finally:
                self._end()

    def _start(self) -> None:
        began = time.monotonic()
        require_loopback(self._settings)
        require_usable_tls(self._settings)
        self._take_folder()
        listener = self._take_ports()
        self._say(f"Hounsfield {version('hounsfield')}, data in {self._settings.data_dir}")
        self._start_database()
        self._children = plan(self._settings, listener)
        for child in self._children:
            child.start()
        for stage, children in groupby(self._children, lambda child: child.stage):
            self._await_stage(stage, list(children))
        if not self._stop.requested:
            self._say_where()
            self._say(f"Ready in {time.monotonic() - began:.1f} s. Ctrl-C ends it.")

    def _take_folder(self) -> None:
        folder = self._settings.data_dir
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._lock.acquire()
        except Locked:
            raise CannotStart(
                f"Another Hounsfield (process {self._lock.holder()}) already serves {folder}. "
                "Stop it, or name another data folder with HOUNSFIELD_DATA_DIR."
            ) from None

    def _take_ports(self) -> socket.socket:
        """Hold the HTTP port for all web processes; see that the DIMSE ports are free."""
        http, dimse = self._settings.http, self._settings.dimse
        self._listener = bind(http.host, http.port, "HOUNSFIELD_HTTP__PORT")
        with bind(dimse.host, dimse.port, "HOUNSFIELD_DIMSE__PORT") as probe:
            dimse = dimse.model_copy(update={"port": probe.getsockname()[1]})
        if dimse.tls.certificate is not None:
            bind(dimse.host, dimse.tls.port, "HOUNSFIELD_DIMSE__TLS__PORT").close()
        http = http.model_copy(update={"port": self._listener.getsockname()[1]})
        self._settings = self._settings.model_copy(update={"http": http, "dimse": dimse})
        return self._listener

    def _start_database(self) -> None:
        began = time.monotonic()
        if self._settings.database.url is None:
            self._postgres = KeptPostgres(self._settings)
            self._postgres.start(self._asked)
        url = database_url(self._settings)
        server = await_database(url, self._asked)
        upgrade_schema(environment_of(self._settings))
        kind = "external" if self._postgres is None else "embedded"
        self._say(f"PostgreSQL {server} ({kind}) ready in {time.monotonic() - began:.1f} s")

    def _await_stage(self, stage: str, children: list[Child]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        for child in children:
            while not child.ready.is_set() and not self._stop.wait(0.02):
                if child.ended:
                    raise CannotStart(f"{child.name} did not start ({child.why_ended()}).")
                if time.monotonic() > deadline:
                    raise CannotStart(f"{child.name} was not ready in {READY_SECONDS:.0f} s.")
        if not self._stop.requested:
            count = len(children)
            self._say(f"{stage} ready" + (f" ({count} processes)" if count > 1 else ""))

    def _say_where(self) -> None:
        http, dimse = self._settings.http, self._settings.dimse
        base = f"http://{http.host}:{http.port}"
        reason = why_no_inference(self._settings)
        if reason is not None:
            self._say(reason)
        self._say(f"DICOM: AE title {dimse.ae_title} on {dimse.host}, port {dimse.port}")
        self._say(f"Web app: {base}/   OHIF: {base}/ohif/   DICOMweb: {base}/dicom-web")

    def _keep(self) -> None:
        if self._postgres is not None:
            self._postgres.keep(self._say, self._asked)
        for child in self._children:
            child.keep(self._say)

    def _asked(self) -> bool:
        return self._stop.requested

    def _end(self) -> None:
        """End the tree within ten seconds: children first, then their database."""
        deadline = time.monotonic() + CHILDREN_END_SECONDS
        for child in self._children:
            child.ask_to_end()
        for child in self._children:
            while not child.ended and time.monotonic() < deadline:
                time.sleep(0.02)
            child.end_rest()
        if self._postgres is not None:
            self._postgres.stop(POSTGRES_END_SECONDS)
        if self._listener is not None:
            self._listener.close()
        self._lock.release()
