"""Storage commitment for what we have sent: asked for, and entered in the ledger (PS3.4 J)."""

from pydicom.uid import generate_uid
from sqlalchemy import Connection

from hounsfield.archive.archive import Archive
from hounsfield.archive.commitment import Reference
from hounsfield.archive.errors import HounsfieldError, PeerFailed
from hounsfield.archive.file_meta import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hounsfield.archive.peers import find as find_peer
from hounsfield.db.repositories import pushes
from hounsfield.db.repositories.pushes import AWAITING, COMMITTED, DONE, FAILED, Entry, Push
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.calling_thread import CallingThread
from hounsfield.dimse.command import N_EVENT_REPORT_RQ, decode_request, encode_response
from hounsfield.dimse.commitment_data import Report, decode_report, encode_request
from hounsfield.dimse.probe import destination_of
from hounsfield.dimse.requestor import Requestor
from hounsfield.dimse.requests import encode_action
from hounsfield.dimse.retries import is_over, wait_after
from hounsfield.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from hounsfield.dimse.status import NO_SUCH_SOP_INSTANCE, SUCCESS, Status

REQUEST = 1
HEARING_SECONDS = 2.0
"""So long a peer has to report on the association on which it was asked."""
CONTEXT = ProposedContext(1, STORAGE_COMMITMENT, (EXPLICIT_LITTLE, IMPLICIT_LITTLE))


def conclude(archive: Archive, push: Push, caller: CallingThread) -> None:
    """All is sent that can be: end the push, or ask for commitment first."""
    sent = archive.database.run(lambda connection: pushes.sent(connection, push.id))
    if not push.commit or not sent:
        archive.database.run(lambda connection: _end(connection, push))
        return
    transaction_uid = str(generate_uid(prefix=None))
    wait = archive.settings.outgoing.commitment_seconds
    archive.database.run(
        lambda connection: pushes.await_commitment(connection, push.id, transaction_uid, wait)
    )
    try:
        _ask(archive, push, transaction_uid, sent, caller)
    except HounsfieldError as error:
        reason = error.message
        archive.database.run(lambda connection: _put_off(archive, connection, push, reason))


def ask_anew(archive: Archive, push: Push, caller: CallingThread) -> None:
    """No report has come in time, or the peer could not be asked."""
    settings = archive.settings.outgoing
    if is_over(settings, push.asked_at):
        reason = f"sent, but not confirmed: {push.reason or 'no report has come'}"
        archive.database.run(lambda c: pushes.end(c, push.id, FAILED, reason))
    else:
        conclude(archive, push, caller)


def note(archive: Archive, ae_title: str, report: Report) -> bool:
    """Enter what a peer reports; False where it was asked nothing of the kind."""

    def work(connection: Connection) -> bool:
        push = pushes.of_transaction(connection, ae_title, report.transaction_uid)
        if push is None:
            return False
        entries = [Entry(uid, COMMITTED) for _, uid in report.committed]
        entries += [
            Entry(uid, FAILED, f"sent, but not committed: {reason:04X}H")
            for _, uid, reason in report.failed
        ]
        pushes.enter(connection, push.id, entries)
        if not pushes.sent(connection, push.id) and push.state == AWAITING:
            _end(connection, push)
        return True

    return archive.database.run(work)


def _end(connection: Connection, push: Push) -> None:
    counts = pushes.counts(connection, [push.id])[push.id]
    failed = counts.get(FAILED, 0)
    if failed:
        reason = f"{failed} of {sum(counts.values())} instances"
        pushes.end(connection, push.id, FAILED, reason)
    elif not counts:
        pushes.end(connection, push.id, FAILED, "there is nothing of it here")
    else:
        pushes.end(connection, push.id, DONE)


def _put_off(archive: Archive, connection: Connection, push: Push, reason: str) -> None:
    wait = wait_after(archive.settings.outgoing, push.attempt)
    pushes.postpone(connection, push.id, reason, wait)


def _ask(
    archive: Archive,
    push: Push,
    transaction_uid: str,
    sent: list[Reference],
    caller: CallingThread,
) -> None:
    """N-ACTION. Raises PeerFailed."""
    destination = destination_of(find_peer(archive, push.ae_title))
    with caller.calling(Requestor(destination, archive.settings, [CONTEXT])) as requestor:
        context = requestor.context_for(STORAGE_COMMITMENT)
        if context is None:
            raise PeerFailed(f"{destination} does not accept storage commitment")
        command = encode_action(1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, REQUEST)
        data = encode_request(transaction_uid, sent, context.transfer_syntax)
        requestor.send(context, command, [data])
        _, response, _ = requestor.receive()
        if response.status.is_failure:
            said = f"{response.status.code:04X}H {response.status.comment}".strip()
            raise PeerFailed(f"{destination} refuses storage commitment: {said}")
        _hear(archive, push.ae_title, requestor)


def _hear(archive: Archive, ae_title: str, requestor: Requestor) -> None:
    """A report that comes at once; any other finds its way by an association of the peer's."""
    heard = requestor.hear(HEARING_SECONDS)
    if heard is None:
        return
    context, command, data = heard
    request = decode_request(command)
    known = False
    if request.command_field == N_EVENT_REPORT_RQ and data is not None:
        known = note(archive, ae_title, decode_report(bytes(data), context.transfer_syntax))
    status = SUCCESS if known else Status(NO_SUCH_SOP_INSTANCE, "a transaction we do not know")
    requestor.send(context, encode_response(request, status))
