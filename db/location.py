"""Where the embedded PostgreSQL listens, and the secret that opens it."""

import contextlib
import os
import secrets
import socket
import sys
from pathlib import Path
from urllib.parse import quote

from hounsfield.db.accounts import Account
from hounsfield.db.cluster import SUPERUSER
from hounsfield.db.errors import CannotStart

DATABASE = "hounsfield"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # sun_path of unix(7), less NUL


class EmbeddedPostgresError(CannotStart):
    """The embedded server cannot be started; the message says why."""


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
    return f"postgresql://{SUPERUSER}:{secret}@/{database}{address}"


def check_socket_path(folder: Path) -> None:
    """Refuse a folder whose socket would have a longer name than the system can bind."""
    length = len(os.fsencode(folder / SOCKET_NAME))
    if length > LONGEST_SOCKET_PATH and sys.platform != "win32":
        raise EmbeddedPostgresError(
            f"The data folder's path is too long: the socket {folder / SOCKET_NAME} has {length} "
            f"bytes, and the system allows {LONGEST_SOCKET_PATH}. Set HOUNSFIELD_DATA_DIR to a "
            "shorter one."
        )


def listening_options(run: Path) -> dict[str, str]:
    """Parameters of the server: a socket in ``run``; loopback where there are none."""
    if sys.platform == "win32":
        port = _loopback_port(run / "port")
        return {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
    return {"listen_addresses": "", "unix_socket_directories": str(run)}


def ensure_secret(data_dir: Path) -> str:
    """The password of the cluster, made at first use; a lost one cannot be replaced."""
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


class PasswordFile:
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


def _loopback_port(path: Path) -> str:
    """The port of last time, so that whoever knows the URL may keep it, or a free one."""
    last = int(path.read_text()) if path.exists() else 0
    for wanted in (last, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", wanted))
            path.write_text(str(probe.getsockname()[1]))
            break
    return path.read_text()
