"""Sends a set of instances to a destination, over several associations at once (PS3.4 C.4.2, B.2).

Each association has a thread; all of them take from one set. An association that is lost is opened
again and goes on with the instance that it was lost with; a destination that cannot be reached
any more fails what is left. Whoever waits for the results is not held up by a peer that is slow.
"""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError, PeerFailed
from hounsfield.archive.file_meta import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hounsfield.archive.retrieve import StoredInstance
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.requestor import Destination, Requestor
from hounsfield.dimse.sending import Bytes
from hounsfield.dimse.status import CANNOT_PERFORM_SUB_OPERATIONS, Status, comment, status_of
from hounsfield.dimse.sub_operation import send_instance

log = structlog.get_logger()

MOST_CONTEXTS = 128
MOST_ASSOCIATIONS = 4
INSTANCES_AN_ASSOCIATION = 16
"""So many are worth an association more."""
TRIES = 3
PAUSE_SECONDS = 0.5

Kinds = Sequence[tuple[str, str, int]]
Result = tuple[str, Status]
"""SOP Instance UID, and how it went."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is sent where, and on whose behalf."""

    destination: Destination
    kinds: Kinds
    preferred: Sequence[str] = ()
    """Transfer syntaxes that the destination likes, best first."""
    originator: tuple[str, int] | None = None
    """Who asked by C-MOVE, and in which message."""


def propose(errand: Errand) -> list[ProposedContext]:
    """A context for each class in each syntax that it has, and one for what can be made of it.

    The destination has to be able to refuse each of them by itself.
    """
    own = [(uid, syntax) for uid, syntax, _ in errand.kinds]
    classes = list(dict.fromkeys(uid for uid, _ in own))
    liked = [(uid, syntax) for syntax in errand.preferred for uid in classes]
    made = [(uid, syntax) for uid in classes for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE)]
    pairs = list(dict.fromkeys([*own, *liked, *made]))[:MOST_CONTEXTS]
    return [ProposedContext(2 * n + 1, uid, (syntax,)) for n, (uid, syntax) in enumerate(pairs)]


class Opened:
    """An association that we opened, as receiver of what we send."""

    def __init__(self, requestor: Requestor) -> None:
        self._requestor = requestor
        self._message_id = 0

    def next_message_id(self) -> int:
        """From 1, and again when they are used up."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def storage_contexts(self) -> Iterable[AcceptedContext]:
        """What the peer accepted."""
        return self._requestor.contexts.values()

    def store(self, context: AcceptedContext, command: bytes, data_set: Iterable[Bytes]) -> Status:
        """Send, and hear what the peer says of it."""
        try:
            self._requestor.send(context, command, data_set)
        except PeerFailed:
            raise
        except HounsfieldError:
            self._requestor.abort()  # half a message is out
            raise
        return self._requestor.receive()[1].status


class Sending:
    """Instances on their way. Iterating over :meth:`results` waits for them as they end."""

    def __init__(
        self,
        archive: Archive,
        errand: Errand,
        instances: Iterable[StoredInstance],
        most_associations: int | None,
    ) -> None:
        self._archive = archive
        self._errand = errand
        self._contexts = propose(errand)
        self._instances = iter(instances)
        self._lock = threading.Lock()
        self._results: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._open_ones: set[Requestor] = set()
        self.trouble = ""
        """Why the destination could not be sent to, if it could not."""
        total = sum(count for _, _, count in errand.kinds)
        several = min(
            most_associations or MOST_ASSOCIATIONS,
            MOST_ASSOCIATIONS,
            1 + total // INSTANCES_AN_ASSOCIATION,
        )
        self._running = several
        name = f"sending to {errand.destination.ae_title}"
        self._threads = [
            threading.Thread(target=self._run, name=name, daemon=True) for _ in range(several)
        ]

    def start(self) -> None:
        """Open the associations and begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no further instance; those in progress end."""
        self._stopped.set()

    def abort(self) -> None:
        """End also what is in progress."""
        self._stopped.set()
        for requestor in list(self._open_ones):
            requestor.abort()

    def results(self, seconds: float) -> Iterator[Result | None]:
        """Each result, and None whenever there was none for so long. Ends after the last one."""
        while self._running:
            try:
                result = self._results.get(timeout=seconds)
            except queue.Empty:
                yield None
                continue
            if result is None:
                self._running -= 1
            else:
                yield result

    def _run(self) -> None:
        try:
            self._send_all()
        except Exception as error:
            log.exception("sending.failed", exc_info=error)
            self.trouble = "the server failed; its log says why"
        finally:
            self._results.put(None)

    def _send_all(self) -> None:
        """Take what is left of the set until there is nothing left."""
        waiting: StoredInstance | None = None
        tries = 0
        while not self._stopped.is_set():
            try:
                with self._open() as requestor:
                    receiver = Opened(requestor)
                    while (waiting := waiting or self._next()) is not None:
                        self._put(waiting, self._send(receiver, waiting))
                        waiting, tries = None, 0
                return
            except PeerFailed as error:
                tries += 1
                self.trouble = error.message
                log.warning("sending.interrupted", reason=error.message, tries=tries)
                if tries < TRIES:
                    self._stopped.wait(PAUSE_SECONDS * 2**tries)
                    continue
                failure = Status(CANNOT_PERFORM_SUB_OPERATIONS, comment(error.message))
                while (waiting := waiting or self._next()) is not None:
                    self._put(waiting, failure)
                    waiting = None
                return

    @contextmanager
    def _open(self) -> Iterator[Requestor]:
        destination, settings = self._errand.destination, self._archive.settings
        requestor = Requestor(destination, settings, self._contexts)
        self._open_ones.add(requestor)
        try:
            with requestor:
                yield requestor
        finally:
            self._open_ones.discard(requestor)

    def _send(self, receiver: Opened, instance: StoredInstance) -> Status:
        try:
            return send_instance(self._archive, receiver, instance, self._errand.originator)
        except PeerFailed:
            raise
        except HounsfieldError as error:
            return status_of(error)

    def _put(self, instance: StoredInstance, status: Status) -> None:
        self._results.put((instance.sop_instance_uid, status))

    def _next(self) -> StoredInstance | None:
        """The next instance of the set, for whichever association is free."""
        with self._lock:
            if self._stopped.is_set():
                return None
            try:
                return next(self._instances, None)
            except HounsfieldError as error:
                self.trouble = error.message
                self._stopped.set()
                return None
