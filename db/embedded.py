"""PostgreSQL inside the data folder, for one machine without a database server.

Layout below the data folder: ``pg/`` the cluster, ``run/`` the socket and the log, both 0700
and owned by whoever runs PostgreSQL; ``postgres.secret`` the password, 0600 and ours. No TCP
(Windows apart: loopback), scram-sha-256 for everybody, one server a folder.
"""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from hounsfield.db import cluster
from hounsfield.db.accounts import Account, account_for, require_passage, run_as
from hounsfield.db.binaries import programs
from hounsfield.db.location import (
    DATABASE,
    SOCKET_NAME,
    EmbeddedPostgresError,
    PasswordFile,
    check_socket_path,
    ensure_secret,
    listening_options,
    url_of,
)
from hounsfield.db.locks import FileLock, Locked
from hounsfield.db.processes import NEW_GROUP, die_with_parent
from hounsfield.db.remains import clear_remains

START_SECONDS = 300.0  # replaying a long log takes its time
STOP_SECONDS = 8.0
LOG_BYTES = 8 * 1024 * 1024


class EmbeddedPostgres:
    """The server of one data folder. Start it from the main thread (see ``processes``)."""

    def __init__(self, data_dir: Path, system_user: str | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "pg"
        self.run = self.data_dir / "run"
        self.log = self.run / "postgres.log"
        self._system_user = system_user
        self._lock = FileLock(self.data_dir / "postgres.lock")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """How to connect, secret included: never print it."""
        return url_of(self.data_dir)

    @property
    def running(self) -> bool:
        """Whether the server that we started is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process number of the postmaster."""
        return self._process.pid if self._process is not None else None

    def start(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Make the cluster if need be, start the server, and return when it answers.

        After a crash the server replays its log first; ``give_up`` is asked meanwhile.
        """
        check_socket_path(self.run)
        new = not self.data_dir.exists()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._lock.acquire()
        except Locked:
            raise EmbeddedPostgresError(
                f"PostgreSQL of {self.data_dir} is already run by process {self._lock.holder()}."
            ) from None
        try:
            self._start(new, give_up)
        except BaseException:
            self._kill()
            self._lock.release()
            raise

    def stop(self, patience: float = STOP_SECONDS) -> None:
        """Shut down in order; harder whenever the server takes longer than ``patience``.

        The harder ways lose nothing that was committed: the next start replays the log.
        """
        process = self._process
        if process is not None:
            for number in _STOP_SIGNALS:
                if process.poll() is not None:
                    break
                process.send_signal(number)
                _wait(process, patience)
        self._process = None
        self._lock.release()

    def _start(self, new: bool, give_up: Callable[[], bool]) -> None:
        account = account_for(self.data_dir, self._system_user)
        if account is not None:
            self.data_dir.chmod(0o711 if new else self.data_dir.stat().st_mode & 0o777 | 0o111)
            require_passage(account, self.cluster)
        binaries = programs(account, self.data_dir)
        cluster.make_private(self.run, account)
        secret = ensure_secret(self.data_dir)
        with PasswordFile(self.run / "password", secret, account) as password_file:
            cluster.ensure_cluster(self.cluster, binaries, account, password_file)
        clear_remains(self.cluster, self.run / SOCKET_NAME)
        self._spawn(binaries / "postgres", account)
        self._await_answer(give_up)
        _ensure_database(url_of(self.data_dir, "postgres"))

    def _spawn(self, program: Path, account: Account | None) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        options = cluster.server_options() | listening_options(self.run)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), "-D", str(self.cluster)]
                + [f"--{name}={value}" for name, value in options.items()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/" if account is not None else self.data_dir,
                start_new_session=True,
                creationflags=NEW_GROUP,
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - main thread, no locks
                **run_as(account),
            )

    def _await_answer(self, give_up: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        maintenance = url_of(self.data_dir, "postgres")
        while self.running and time.monotonic() < deadline and not give_up():
            try:
                psycopg.connect(maintenance, connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return
        lines = self.log.read_text(errors="replace").splitlines()[-5:]
        raise EmbeddedPostgresError("PostgreSQL did not start: " + " / ".join(lines))

    def _kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process = None


def _ensure_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


# Fast shutdown, immediate shutdown, kill (postgres(1)).
_STOP_SIGNALS: tuple[int, ...] = (
    (signal.SIGTERM,)
    if sys.platform == "win32"
    else (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "url_of"]
