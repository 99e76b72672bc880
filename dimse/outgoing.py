"""The outgoing queue: what is due is sent to peers, some pushes at a time (PS3.4 B as SCU).

What is to be sent, and what became of each instance, stands in the database. A lock that the
database takes back from a process that dies keeps two from sending the same push.
"""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.archive import Archive
from hounsfield.db.advisory import held
from hounsfield.db.repositories import pushes
from hounsfield.db.repositories.pushes import AWAITING, Push
from hounsfield.dimse.calling_thread import CallingThread
from hounsfield.dimse.push_attempt import PushAttempt
from hounsfield.dimse.push_commitment import ask_anew, conclude

log = structlog.get_logger()

POLL_SECONDS = 1.0
AFTER_AN_ERROR_SECONDS = 5.0
BATCH = 20


class Outgoing(CallingThread):
    """Carries out pushes, one at a time. Any number of threads and processes may run it."""

    def __init__(self, archive: Archive) -> None:
        super().__init__("outgoing")
        self._archive = archive
        self._attempt: PushAttempt | None = None

    def run(self) -> None:
        """Until stopped; a database that is away is waited for."""
        wait = 0.0
        while not self._ended.wait(wait):
            try:
                self._push_due()
                wait = POLL_SECONDS
            except SQLAlchemyError as error:
                log.warning("outgoing.database", error=type(error).__name__)
                wait = AFTER_AN_ERROR_SECONDS
            except Exception as error:
                log.exception("outgoing.failed", exc_info=error)
                wait = AFTER_AN_ERROR_SECONDS

    def stop(self) -> None:
        """End, and leave what is being sent to the next start."""
        attempt = self._attempt
        if attempt is not None and attempt.sending is not None:
            attempt.sending.abort()
        super().stop()

    def _push_due(self) -> None:
        database = self._archive.database
        for push_id in database.run(lambda connection: pushes.due(connection, BATCH)):
            if self._ended.is_set():
                return
            with held(database.engine, f"push {push_id}") as ours:
                push = database.run(lambda c: pushes.find(c, push_id)) if ours else None  # noqa: B023 - run at once
                if push is not None and not push.has_ended:
                    self._carry_out(push)

    def _carry_out(self, push: Push) -> None:
        if push.state == AWAITING:
            ask_anew(self._archive, push, self)
            return
        self._attempt = PushAttempt(self._archive, push)
        try:
            is_sent = self._attempt.run()
        finally:
            self._attempt = None
        if is_sent:
            conclude(self._archive, push, self)
