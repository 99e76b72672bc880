"""PostgreSQL inside the data folder, for one machine without a database server.

Layout below the data folder: ``pg/`` the cluster, ``run/`` the socket and the log, both 0700
and owned by whoever runs PostgreSQL; ``postgres.secret`` the password, 0600 and ours. No TCP
(Windows apart: loopback), scram-sha-256 for everybody, one server a folder.
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from hounsfield.db import cluster
from hounsfield.db.accounts import Account, account_for, require_passage, run_as
from hounsfield.db.binaries import programs
from hounsfield.db.locks import FileLock, Locked
from hounsfield.db.processes import die_with_parent, end, running_in

DATABASE = "hounsfield"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # sun_path of unix(7), less NUL
START_SECONDS = 60.0
STOP_SECONDS = 8.0
ORPHAN_SECONDS = 5.0
LOG_BYTES = 8 * 1024 * 1024


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be started; the message says why."""


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

    def start(self) -> None:
        """Make the cluster if need be, start the server, and return when it answers."""
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
            self._start(new)
        except BaseException:
            self._kill()
            self._lock.release()
            raise

    def stop(self) -> None:
        """Shut down in order; harder each time the server does not end."""
        process = self._process
        if process is not None:
            for number in _STOP_SIGNALS:
                if process.poll() is not None:
                    break
                process.send_signal(number)
                _wait(process, STOP_SECONDS)
        self._process = None
        self._lock.release()

    def _start(self, new: bool) -> None:
        account = account_for(self.data_dir, self._system_user)
        if account is not None:
            self.data_dir.chmod(0o711 if new else self.data_dir.stat().st_mode & 0o777 | 0o111)
            require_passage(account, self.cluster)
        binaries = programs(account, self.data_dir)
        cluster.make_private(self.run, account)
        secret = _secret(self.data_dir)
        with _PasswordFile(self.run / "password", secret, account) as password_file:
            cluster.ensure_cluster(self.cluster, binaries, account, password_file)
        clear_remains(self.cluster)
        self._spawn(binaries / "postgres", account)
        self._await_answer()
        _ensure_database(url_of(self.data_dir, "postgres"))

    def _spawn(self, program: Path, account: Account | None) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        options = cluster.server_options() | _listening(self.run)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), "-D", str(self.cluster)]
                + [f"--{name}={value}" for name, value in options.items()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/" if account is not None else self.data_dir,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - main thread, no locks
                **run_as(account),
            )

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        maintenance = url_of(self.data_dir, "postgres")
        while self.running and time.monotonic() < deadline:
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


def url_of(data_dir: Path, database: str = DATABASE) -> str:
    """The URL of the server of a data folder; whoever may read the secret may connect."""
    data_dir = data_dir.resolve()
    try:
        secret = (data_dir / "postgres.secret").read_text().strip()
    except FileNotFoundError:
        raise EmbeddedPostgresError(
            f"{data_dir} has no embedded PostgreSQL yet: `hounsfield serve` makes it, and "
            "HOUNSFIELD_DATABASE__URL names another server."
        ) from None
    address = f"?host={quote(str(data_dir / 'run'), safe='')}"
    if sys.platform == "win32":
        address = f"?host=127.0.0.1&port={(data_dir / 'run' / 'port').read_text().strip()}"
    return f"postgresql://{cluster.SUPERUSER}:{secret}@/{database}{address}"


def check_socket_path(folder: Path) -> None:
    """Refuse a folder whose socket would have a longer name than the system can bind."""
    length = len(os.fsencode(folder / SOCKET_NAME))
    if length > LONGEST_SOCKET_PATH and sys.platform != "win32":
        raise EmbeddedPostgresError(
            f"The data folder's path is too long: the socket {folder / SOCKET_NAME} has {length} "
            f"bytes, and the system allows {LONGEST_SOCKET_PATH}. Set HOUNSFIELD_DATA_DIR to a "
            "shorter one."
        )


def clear_remains(folder: Path) -> None:
    """End the server that a dead supervisor left here, and remove its pid file.

    The caller holds the lock, so nobody else starts a server in this folder meanwhile. A
    server whose supervisor died is on its way out by itself and gets time for that.
    """
    pid_file = folder / "postmaster.pid"
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (left := list(running_in(folder, "postgres"))) and pid_file.exists():
        if time.monotonic() > deadline or not _names_one_of(pid_file, {p.pid for p in left}):
            break
        time.sleep(0.05)
    end(left, ORPHAN_SECONDS)
    pid_file.unlink(missing_ok=True)


def _names_one_of(pid_file: Path, pids: set[int]) -> bool:
    try:
        return int(pid_file.read_text().split("\n", 1)[0]) in pids
    except (OSError, ValueError):
        return False


def _listening(run: Path) -> dict[str, str]:
    if sys.platform == "win32":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        (run / "port").write_text(port)
        return {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
    return {"listen_addresses": "", "unix_socket_directories": str(run)}


def _secret(data_dir: Path) -> str:
    path = data_dir / "postgres.secret"
    if path.exists():
        return path.read_text().strip()
    if (data_dir / "pg").exists():
        raise EmbeddedPostgresError(
            f"{path} is gone: without it nobody can connect to the database in {data_dir / 'pg'}. "
            "Put it back from a backup of the data folder."
        )
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return path.read_text().strip()


class _PasswordFile:
    """The secret where initdb can read it, for as long as initdb runs."""

    def __init__(self, path: Path, secret: str, account: Account | None) -> None:
        self._path, self._secret, self._account = path, secret, account

    def __enter__(self) -> Path:
        self._path.unlink(missing_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._secret)
            if self._account is not None:
                os.fchown(file.fileno(), self._account.uid, self._account.gid)
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


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
