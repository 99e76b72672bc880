"""The database cluster on disk: made once, whole or not at all, and never of another major."""

import os
import shutil
import subprocess
from pathlib import Path

import psutil

from hounsfield.db.accounts import Account, run_as
from hounsfield.db.binaries import MAJOR
from hounsfield.db.errors import CannotStart

MIB = 1024 * 1024
SUPERUSER = "hounsfield"


class ClusterError(CannotStart):
    """The cluster cannot be made, or must not be started; the message says what to do."""


def ensure_cluster(
    folder: Path, binaries: Path, account: Account | None, password_file: Path
) -> None:
    """Make the cluster if there is none; refuse one that another major version made.

    The caller holds the lock. initdb works in ``pg.new``, which is renamed when it is whole.
    """
    version_file = folder / "PG_VERSION"
    if version_file.is_file():
        _refuse_other_major(folder, version_file.read_text().strip())
        return
    if folder.exists() and any(folder.iterdir()):
        raise ClusterError(f"{folder} is not empty and holds no PostgreSQL cluster.")
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    make_private(fresh, account)
    _initialise(fresh, binaries, account, password_file)
    if folder.exists():
        folder.rmdir()
    fresh.replace(folder)


def make_private(folder: Path, account: Account | None) -> None:
    """A 0700 folder that belongs to whoever runs PostgreSQL."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def server_options() -> dict[str, str]:
    """Parameters of the server that fit this machine. What makes commits durable stays on."""
    memory = psutil.virtual_memory().total // MIB
    return {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "max_connections": "200",
        "shared_buffers": f"{_between(128, memory // 16, 2048)}MB",
        "effective_cache_size": f"{max(256, memory // 2)}MB",
        "maintenance_work_mem": f"{_between(64, memory // 64, 512)}MB",
        "work_mem": "16MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "password_encryption": "scram-sha-256",
        # Statements and details of errors carry names of patients; keep them out of the log.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
    }


def _initialise(folder: Path, binaries: Path, account: Account | None, password_file: Path) -> None:
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    result = subprocess.run(
        [
            str(binaries / "initdb"),
            *("-D", str(folder), "-U", SUPERUSER, "--encoding=UTF8", *locale),
            *("--auth=scram-sha-256", f"--pwfile={password_file}", "--data-checksums"),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder.parent if account is None else "/",
        start_new_session=True,  # a Ctrl-C is for us; this takes a second
        **run_as(account),
    )
    if result.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise ClusterError(f"PostgreSQL could not make its data folder: {result.stderr.strip()}")


def _refuse_other_major(folder: Path, major: str) -> None:
    if major != MAJOR:
        raise ClusterError(
            f"{folder} was made by PostgreSQL {major}, and this release of Hounsfield runs "
            f"PostgreSQL {MAJOR}. Nothing in it was touched. Start the release that made it; "
            "a release that changes the major version brings `hounsfield db upgrade` to convert "
            "the folder, and this one has no such command."
        )


def _between(lowest: int, value: int, highest: int) -> int:
    return max(lowest, min(value, highest))
