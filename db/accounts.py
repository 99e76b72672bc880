"""Which system user runs the embedded PostgreSQL: it refuses to run as root."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hounsfield.db.errors import CannotStart

OWN_USER = "hounsfield"


class AccountError(CannotStart):
    """No system user can run PostgreSQL on this data folder; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """An unprivileged user, as numbers."""

    name: str
    uid: int
    gid: int


def account_for(data_dir: Path, configured: str | None) -> Account | None:
    """Who runs PostgreSQL, or None for: whoever runs us.

    Started as root it is the configured user, else the owner of the data folder if that is
    not root, else a system user of our own, which is made if need be.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    if configured is not None:
        return _named(configured)
    owner = data_dir.stat().st_uid
    if owner != 0:
        return _numbered(owner)
    return _own_user()


def run_as(account: Account | None) -> dict[str, Any]:
    """Arguments of ``subprocess.Popen`` that change the user; none where nobody changes."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def require_passage(account: Account, folder: Path) -> None:
    """Refuse a folder below one that ``account`` cannot enter."""
    for parent in reversed(folder.resolve().parents):
        if not _may_enter(account, parent):
            raise AccountError(
                f"PostgreSQL runs as the user {account.name}, who cannot enter {parent}. "
                "Move the data folder (HOUNSFIELD_DATA_DIR) out of it, name another user with "
                "HOUNSFIELD_DATABASE__SYSTEM_USER, or do not start Hounsfield as root."
            )


def _may_enter(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _named(name: str) -> Account:
    import pwd  # noqa: PLC0415 - there is none on Windows

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise AccountError(
            f"HOUNSFIELD_DATABASE__SYSTEM_USER names {name}: there is no such user."
        ) from None
    if entry.pw_uid == 0:
        raise AccountError(f"PostgreSQL refuses to run as {name}, because that is root.")
    return Account(name, entry.pw_uid, entry.pw_gid)


def _numbered(uid: int) -> Account:
    import pwd  # noqa: PLC0415

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise AccountError(
            f"The data folder belongs to user number {uid}, who has no name on this system, and "
            "PostgreSQL wants one. Set HOUNSFIELD_DATABASE__SYSTEM_USER."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _own_user() -> Account:
    try:
        return _named(OWN_USER)
    except AccountError:
        pass
    program = shutil.which("useradd")
    if program is None:
        raise AccountError(
            "Started as root, PostgreSQL needs an unprivileged user, and there is no `useradd` "
            "to make one. Make one and name it in HOUNSFIELD_DATABASE__SYSTEM_USER."
        )
    subprocess.run(
        [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN_USER],
        check=False,
        capture_output=True,
    )
    return _named(OWN_USER)
