"""A child that waits for work, from when a series that a rule will pick begins to arrive.

What every model needs takes three seconds to import; they pass while the series settles. The
model itself is loaded on demand. An idle worker keeps no such child.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hounsfield.conf.settings import Settings
from hounsfield.db.repositories import analysis
from hounsfield.inference.decisions import is_expected
from hounsfield.inference.runner import Limits, Standby

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

log = structlog.get_logger()

KEPT_SECONDS = 30.0
"""After the last such series has settled. A job that follows from one starts at once."""
PREFIX = "standby."


def runs_folder(settings: Settings) -> Path:
    """Where children work, in a folder each."""
    return settings.data_dir.resolve() / "runs"


def run_limits(settings: Settings) -> Limits:
    """What a run may take."""
    limits = settings.inference
    return Limits(limits.time_limit_seconds, limits.memory_limit_bytes, limits.threads)


class StandbyKeeper:
    """At most one child that waits, and none while a run is on."""

    def __init__(self, archive: "Archive") -> None:
        self._settings = archive.settings
        self._lock = threading.Lock()
        self._standby: Standby | None = None
        self._run_is_on = False
        self._wanted_at = 0.0
        self._expected: dict[int, bool] = {}
        self._remove_left_over()

    def look(self, connection: Connection) -> None:
        """See what is settling, and start or end the child by it.

        Called from one thread alone, that outlives the runs: the child ends with it.
        """
        self._expected = {
            pk: self._expected[pk] if pk in self._expected else self._judge(connection, *uids)
            for pk, *uids in analysis.settling_series(connection)
        }
        self.adjust(any(self._expected.values()))

    def adjust(self, wanted: bool = False) -> None:
        """Start the child, or end it once it has been of no use for a while."""
        now = time.monotonic()
        with self._lock:
            if wanted:
                self._wanted_at = now
                if self._standby is None and not self._run_is_on:
                    folder = runs_folder(self._settings) / f"{PREFIX}{os.getpid()}"
                    self._standby = Standby(folder, run_limits(self._settings))
            elif self._standby is not None and now - self._wanted_at > KEPT_SECONDS:
                self._end(self._standby)
                self._standby = None

    @contextmanager
    def for_run(self) -> Iterator[Standby | None]:
        """The waiting child, if there is one that lives; it is gone when the run is."""
        with self._lock:
            standby, self._standby = self._standby, None
            self._run_is_on = True
        try:
            yield standby if standby and standby.child.poll() is None else None
        finally:
            if standby is not None:
                self._end(standby)
            with self._lock:
                self._run_is_on = False

    def close(self) -> None:
        """End the child that waits."""
        with self._lock:
            if self._standby is not None:
                self._end(self._standby)
                self._standby = None

    def _judge(self, connection: Connection, study_uid: str, series_uid: str) -> bool:
        try:
            first = analysis.metadata_of_series(connection, study_uid, series_uid, limit=1)
            return bool(first) and self._settings.inference.enabled and is_expected(first[0])
        except DBAPIError:
            raise
        except Exception as error:  # only a guess: the decision itself will say why
            log.warning("standby.cannot_judge", error=type(error).__name__)
            return False

    def _end(self, standby: Standby) -> None:
        standby.kill()
        shutil.rmtree(standby.work_dir, ignore_errors=True)

    def _remove_left_over(self) -> None:
        for folder in runs_folder(self._settings).glob(f"{PREFIX}*"):
            if not psutil.pid_exists(int(folder.name.removeprefix(PREFIX))):
                shutil.rmtree(folder, ignore_errors=True)
