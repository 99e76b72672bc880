"""Answers to storage commitment that we owe: found out, and given on associations that we open.

What is owed stands in the database until its N-EVENT-REPORT has been answered with success
(PS3.4 J.3.3), through restarts, with longer and longer waits between the attempts.
"""

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from hounsfield.archive.archive import Archive
from hounsfield.archive.commitment import Finding, commit, examine
from hounsfield.archive.errors import HounsfieldError, PeerFailed
from hounsfield.archive.file_meta import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hounsfield.db.advisory import held
from hounsfield.db.repositories import commitments
from hounsfield.db.repositories.commitments import Commitment
from hounsfield.db.repositories.peers import find_peer
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.calling_thread import CallingThread
from hounsfield.dimse.commitment_data import Report, encode_report
from hounsfield.dimse.probe import destination_of
from hounsfield.dimse.requestor import Requestor
from hounsfield.dimse.requests import encode_event_report
from hounsfield.dimse.retries import is_over, wait_after
from hounsfield.dimse.sop_classes import (
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    may_be_storage,
)
from hounsfield.dimse.status import (
    CLASS_INSTANCE_CONFLICT,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
)

log = structlog.get_logger()

POLL_SECONDS = 1.0
AFTER_AN_ERROR_SECONDS = 5.0
BATCH = 20
CONTEXT = ProposedContext(1, STORAGE_COMMITMENT, (EXPLICIT_LITTLE, IMPLICIT_LITTLE))
ROLES = {STORAGE_COMMITMENT: (False, True)}
"""We are SCP on an association that we open ourselves (PS3.4 J.3.3.1)."""

COMMITTED = 0
REASONS = {
    Finding.KEPT: COMMITTED,
    Finding.UNKNOWN: NO_SUCH_SOP_INSTANCE,
    Finding.OTHER_CLASS: CLASS_INSTANCE_CONFLICT,
    Finding.DAMAGED: PROCESSING_FAILURE,
}


def conclude(archive: Archive, request_id: int) -> Report | None:
    """What is to be answered, found out once; None where it has been answered."""
    owed = archive.database.run(lambda connection: commitments.find(connection, request_id))
    if owed is None:
        return None
    result = owed.result if owed.result is not None else _find_out(archive, owed)
    report = Report(owed.transaction_uid)
    for (sop_class, sop_instance), reason in zip(owed.asked, result, strict=True):
        if reason == COMMITTED:
            report.committed.append((sop_class, sop_instance))
        else:
            report.failed.append((sop_class, sop_instance, reason))
    return report


def _find_out(archive: Archive, owed: Commitment) -> list[int]:
    asked = [(sop_class, sop_instance) for sop_class, sop_instance in owed.asked]
    findings, kept = examine(archive, asked)

    def work(connection: Connection) -> list[int]:
        there = commit(connection, kept, owed.ae_title)
        result = [
            _reason(finding, sop_class, is_there=uid in there)
            for finding, (sop_class, uid) in zip(findings, asked, strict=True)
        ]
        commitments.checked(connection, owed.id, result)
        return result

    return archive.database.run(work)


def _reason(finding: Finding, sop_class: str, *, is_there: bool) -> int:
    if finding is Finding.UNKNOWN and not may_be_storage(sop_class):
        return SOP_CLASS_NOT_SUPPORTED
    if finding is Finding.KEPT and not is_there:  # deleted while it was looked at
        finding = Finding.UNKNOWN
    return REASONS[finding]


class CommitmentReports(CallingThread):
    """Gives the answers that are due. Any number of processes may run it."""

    def __init__(self, archive: Archive) -> None:
        super().__init__("commitment-reports")
        self._archive = archive

    def run(self) -> None:
        """Until stopped; a database that is away is waited for."""
        wait = POLL_SECONDS
        while not self._ended.wait(wait):
            try:
                self._give_due()
                wait = POLL_SECONDS
            except SQLAlchemyError as error:
                log.warning("commitment.database", error=type(error).__name__)
                wait = AFTER_AN_ERROR_SECONDS

    def _give_due(self) -> None:
        database = self._archive.database
        for request_id in database.run(lambda connection: commitments.due(connection, BATCH)):
            if self._ended.is_set():
                return
            with held(database.engine, f"commitment {request_id}") as ours:
                if ours:
                    self._give(request_id)

    def _give(self, request_id: int) -> None:
        """One attempt to answer over an association of our own."""
        database = self._archive.database
        owed = database.run(lambda connection: commitments.find(connection, request_id))
        if owed is None:
            return
        try:
            report = conclude(self._archive, request_id)
            if report is not None:
                self._deliver(owed.ae_title, report)
        except HounsfieldError as error:
            _put_off(self._archive, owed, error.message)
            return
        database.run(lambda connection: commitments.reported(connection, request_id))
        log.info("commitment.reported", ae_title=owed.ae_title, attempt=owed.attempt + 1)

    def _deliver(self, ae_title: str, report: Report) -> None:
        """Open an association as SCP of storage commitment, and report. Raises PeerFailed."""
        settings = self._archive.settings
        peer = self._archive.database.run(lambda connection: find_peer(connection, ae_title))
        if peer is None or not peer.host:
            raise PeerFailed(f"the AE book does not say where {ae_title} is")
        destination = destination_of(peer)
        requestor = Requestor(destination, settings, [CONTEXT], roles=ROLES)
        with self.calling(requestor):
            accepted = requestor.context_for(STORAGE_COMMITMENT)
            if accepted is None:
                raise PeerFailed(f"{destination} does not accept storage commitment")
            requestor.send(
                accepted,
                encode_event_report(
                    1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, report.event_type
                ),
                [encode_report(report, settings.dimse.ae_title.strip(), accepted.transfer_syntax)],
            )
            _, response, _ = requestor.receive()
        if response.status.is_failure:
            code = f"{response.status.code:04X}H"
            raise PeerFailed(f"{destination} answers the report with status {code}")


def _put_off(archive: Archive, owed: Commitment, reason: str) -> None:
    settings = archive.settings.outgoing

    def work(connection: Connection) -> None:
        if is_over(settings, owed.created_at):
            commitments.given_up(connection, owed.id, reason)
        else:
            wait = wait_after(settings, owed.attempt)
            commitments.postponed(connection, owed.id, reason, wait)

    archive.database.run(work)
    log.warning("commitment.not_reported", ae_title=owed.ae_title, reason=reason)
