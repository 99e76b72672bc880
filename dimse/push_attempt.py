"""One attempt at a push: what is left of it is sent, and each answer entered in the ledger."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError, NotFound, PeerFailed
from hounsfield.archive.peers import find as find_peer
from hounsfield.archive.retrieve import StoredInstance, find_instances_sync
from hounsfield.db.repositories import pushes
from hounsfield.db.repositories.pushes import FAILED, SENT, Entry, Push
from hounsfield.dimse.probe import destination_of
from hounsfield.dimse.retries import is_over, wait_after
from hounsfield.dimse.sending_associations import Errand, Kinds, Sending
from hounsfield.dimse.status import PROCESSING_FAILURE, RESOURCE_LIMITATION, Status

log = structlog.get_logger()

T = TypeVar("T")

HEARING_SECONDS = 0.2
ENTER_SECONDS = 0.5
MOST_UNENTERED = 50


class PushAttempt:
    """Takes a push from the queue a step further. Raises nothing of the peer's doing."""

    def __init__(self, archive: Archive, push: Push) -> None:
        self._archive = archive
        self._push = push
        self._unentered: list[Entry] = []
        self._entered_at = time.monotonic()
        self._later = ""
        self.sending: Sending | None = None

    def run(self) -> bool:
        """Whether all is sent that can be; if not, when it goes on stands in the queue."""
        if not self._run(lambda connection: pushes.begin(connection, self._push.id)):
            return False
        try:
            left = self._left()
            if left:
                self._send(left)
        except HounsfieldError as error:
            self._later = error.message
        if not self._run(lambda connection: pushes.queued(connection, self._push.id)):
            return True
        self._put_off(self._later or "not all of it was sent")
        return False

    def _left(self) -> list[StoredInstance]:
        """What is still to be sent, and stored; the rest of the ledger is brought up to date."""
        push = self._push

        def work(connection: Connection) -> set[str]:
            if not pushes.counts(connection, [push.id])[push.id]:
                pushes.list_instances(connection, push)
            return pushes.queued(connection, push.id)

        queued = self._run(work)
        try:
            found = find_instances_sync(
                self._archive, push.study_instance_uid, push.series_instance_uid
            )
        except NotFound:
            found = []
        left = [instance for instance in found if instance.sop_instance_uid in queued]
        gone = queued - {instance.sop_instance_uid for instance in left}
        entries = [Entry(uid, FAILED, "it has been deleted here") for uid in gone]
        self._run(lambda connection: pushes.enter(connection, push.id, entries))
        return left

    def _send(self, left: list[StoredInstance]) -> None:
        peer = find_peer(self._archive, self._push.ae_title)
        if not peer.may_receive:
            raise PeerFailed(f"the AE book does not allow that {peer.ae_title} is sent anything")
        errand = Errand(destination_of(peer), _kinds(left), peer.preferred_transfer_syntaxes)
        sending = Sending(self._archive, errand, left, peer.max_associations)
        self.sending = sending
        sending.start()
        for result in sending.results(HEARING_SECONDS):
            if result is not None:
                self._take(*result)
            if time.monotonic() - self._entered_at > ENTER_SECONDS:
                self._enter()
        self._enter()
        self._later = sending.trouble or self._later
        self.sending = None

    def _take(self, sop_instance_uid: str, status: Status) -> None:
        if not status.is_failure:
            self._unentered.append(Entry(sop_instance_uid, SENT, _said(status)))
        elif _may_go_through_later(status):
            self._later = _said(status)
        else:
            self._unentered.append(Entry(sop_instance_uid, FAILED, _said(status)))
        if len(self._unentered) >= MOST_UNENTERED:
            self._enter()

    def _enter(self) -> None:
        """Write the ledger, and hear whether the push has been canceled."""
        entries, self._unentered = self._unentered, []
        self._entered_at = time.monotonic()

        def work(connection: Connection) -> bool:
            pushes.enter(connection, self._push.id, entries)
            push = pushes.find(connection, self._push.id)
            return push is None or push.has_ended

        if self._run(work) and self.sending is not None:
            self.sending.stop()

    def _put_off(self, reason: str) -> None:
        settings, push = self._archive.settings.outgoing, self._push

        def work(connection: Connection) -> None:
            if is_over(settings, push.asked_at):
                pushes.fail_queued(connection, push.id, reason)
                pushes.end(connection, push.id, FAILED, reason)
            else:
                wait = wait_after(settings, push.attempt)
                pushes.postpone(connection, push.id, reason, wait)

        self._run(work)
        log.warning("push.put_off", ae_title=push.ae_title, reason=reason)

    def _run(self, work: Callable[[Connection], T]) -> T:
        return self._archive.database.run(work)


def _kinds(instances: list[StoredInstance]) -> Kinds:
    """SOP class and transfer syntax of what is sent, and how many there are."""
    counted: dict[tuple[str, str], int] = {}
    for instance in instances:
        kind = (instance.sop_class_uid, instance.transfer_syntax_uid)
        counted[kind] = counted.get(kind, 0) + 1
    return [(*kind, count) for kind, count in counted.items()]


def _may_go_through_later(status: Status) -> bool:
    """Out of resources (A7xx), or a failure that says nothing of the instance (PS3.4 B.2.3)."""
    return status.code >> 8 == 0xA7 or status.code in (PROCESSING_FAILURE, RESOURCE_LIMITATION)


def _said(status: Status) -> str:
    if status.code == 0:
        return ""
    return f"{status.code:04X}H {status.comment}".strip()
