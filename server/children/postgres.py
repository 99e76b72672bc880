"""The embedded PostgreSQL as a member of the tree."""

import time
from collections.abc import Callable

from hounsfield.conf.settings import Settings
from hounsfield.db.embedded import EmbeddedPostgres
from hounsfield.db.errors import CannotStart
from hounsfield.server.children.child import BackOff


class KeptPostgres:
    """Started, started again when it has ended, and stopped last."""

    def __init__(self, settings: Settings) -> None:
        self._server = EmbeddedPostgres(settings.data_dir, settings.database.system_user)
        self._back_off = BackOff()
        self._started = 0.0
        self._again_at: float | None = None

    @property
    def pid(self) -> int | None:
        """Process number of the postmaster."""
        return self._server.pid

    def start(self, give_up: Callable[[], bool]) -> None:
        """Start it and wait until it answers, or until ``give_up``."""
        self._again_at = None
        self._started = time.monotonic()
        self._server.start(give_up)

    def keep(self, say: Callable[[str], None], give_up: Callable[[], bool]) -> None:
        """Start it again when it has ended, after a while that grows if it keeps ending."""
        if self._server.running:
            return
        now = time.monotonic()
        if self._again_at is None:
            delay = self._back_off.after(now - self._started)
            self._again_at = now + delay
            say(f"PostgreSQL ended; starting it again in {delay:g} s")
        elif now >= self._again_at:
            self._server.stop()
            try:
                self.start(give_up)
            except CannotStart as error:
                say(str(error))
            else:
                say("PostgreSQL ready")

    def stop(self, patience: float) -> None:
        """Shut it down."""
        self._server.stop(patience)
