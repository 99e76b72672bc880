"""Studies that we fetch from a peer: C-GET and C-MOVE as SCU (PS3.4 C.4.2, C.4.3).

With C-GET the instances come back over the association that asked for them, into the ingest path
that every C-STORE takes. With C-MOVE the peer opens associations to our listener, if it knows where
that is. Where both are accepted it is C-GET: nothing has to be configured for that at the peer.
"""

import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pynetdicom import StoragePresentationContexts

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import InvalidPeer, PeerRefused
from hounsfield.archive.peers import Peer
from hounsfield.archive.search import Level
from hounsfield.archive.settling import association_ended
from hounsfield.archive.types import Source
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.command import C_GET_RQ, C_MOVE_RQ, C_STORE_RQ, Request
from hounsfield.dimse.identifier import IdentifierWriter
from hounsfield.dimse.negotiation import (
    STORABLE_SYNTAXES,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    UNCOMPRESSED_SYNTAXES,
    AcceptedContext,
)
from hounsfield.dimse.operation import Operation, unrecognized
from hounsfield.dimse.probe import destination_of
from hounsfield.dimse.querying import (
    FIND_CONTEXT,
    NAMES,
    QUERY_RETRIEVE_LEVEL,
    UNCOMPRESSED,
    find,
    said,
)
from hounsfield.dimse.requestor import Requestor
from hounsfield.dimse.requests import MEDIUM, encode_request
from hounsfield.dimse.response import Response
from hounsfield.dimse.status import Status
from hounsfield.dimse.storage import Store

MOST_STORAGE_CONTEXTS = 125
"""128 less those of C-FIND, C-GET and C-MOVE."""

ANY_STORAGE = [str(each.abstract_syntax) for each in StoragePresentationContexts]
"""The storage classes in use, asked for where the peer does not say which a study has."""

COMPRESSED = sorted(STORABLE_SYNTAXES - UNCOMPRESSED_SYNTAXES)

DESTINATION_UNKNOWN = 0xA801
SUCCESS = 0x0000

Way = Literal["get", "move"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch: a study, a series of it, or an instance of that."""

    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uid: str = ""

    @property
    def keys(self) -> dict[str, str]:
        """The unique keys, by keyword."""
        keys = {
            "StudyInstanceUID": self.study_instance_uid,
            "SeriesInstanceUID": self.series_instance_uid,
            "SOPInstanceUID": self.sop_instance_uid,
        }
        return {keyword: uid for keyword, uid in keys.items() if uid}

    @property
    def level(self) -> Level:
        """The level at which it is asked for."""
        if self.sop_instance_uid:
            return Level.INSTANCE
        return Level.SERIES if self.series_instance_uid else Level.STUDY


@dataclass(frozen=True, slots=True)
class Pull:
    """How far it is, as the peer and we count it."""

    way: Way
    done: bool
    completed: int
    remaining: int | None
    failed: int
    problem: str = ""
    """What went wrong, where not everything came."""


class Puller:
    """Fetches from one peer, once."""

    def __init__(self, archive: Archive, peer: Peer, wanted: Wanted, way: Way | None) -> None:
        self._archive = archive
        self._peer = peer
        self._wanted = wanted
        self._way = way
        self._ours = archive.settings.dimse.ae_title.strip()
        self._source = Source(
            "C-STORE",
            peer.host,
            calling_ae_title=peer.ae_title,
            called_ae_title=self._ours,
            association_id=str(uuid.uuid4()),
        )
        self._came: set[str] = set()
        self._refused: dict[str, str] = {}
        """By SOP Instance UID, why it could not be stored here."""
        self._total = 0

    def run(self) -> Iterator[Pull]:
        """Fetch it; how far it is, and at last how it went. To close it early is to cancel it.

        Some peers send by C-GET in whichever context they accepted first, and fail where they would
        have to compress for it: then it is asked for again without compression. Raises InvalidPeer
        and PeerFailed.
        """
        try:
            for plain in (False, True):
                way, response = yield from self._round(plain=plain)
                failed_there = (response.failed or 0) > len(self._refused)
                if way == "move" or not failed_there:
                    break
            yield self._state(way, response, done=True)
        finally:
            if self._came:
                association_ended(self._archive, self._source.association_id)

    def _round(self, *, plain: bool) -> Generator[Pull, None, tuple[Way, Response]]:
        with self._requestor(plain=plain) as requestor:
            way, context = self._choose(requestor)
            command, identifier = self._request(way, context)
            requestor.send(context, command, [identifier])
            while True:
                _, response, _ = requestor.receive()
                if not response.is_pending:
                    return way, response
                yield self._state(way, response, done=False)

    def _requestor(self, *, plain: bool) -> Requestor:
        settings = self._archive.settings
        destination = destination_of(self._peer)
        contexts = [
            ProposedContext(3, STUDY_ROOT_GET, UNCOMPRESSED),
            ProposedContext(5, STUDY_ROOT_MOVE, UNCOMPRESSED),
        ]
        roles: dict[str, tuple[bool, bool]] = {}
        if self._way == "move":
            contexts = contexts[1:]
        else:
            classes = self._classes() or ANY_STORAGE[:MOST_STORAGE_CONTEXTS]
            contexts += storage_contexts(classes, plain=plain)
            roles = dict.fromkeys(classes, (False, True))
        if self._way == "get":
            contexts = [each for each in contexts if each.abstract_syntax != STUDY_ROOT_MOVE]
        return Requestor(destination, settings, contexts, roles=roles, perform=self._perform)

    def _classes(self) -> list[str]:
        """The SOP classes of the study, if the peer tells (PS3.4 C.6.2.1.2)."""
        destination = destination_of(self._peer)
        keys = {"StudyInstanceUID": self._wanted.study_instance_uid, "SOPClassesInStudy": ""}
        with Requestor(destination, self._archive.settings, [FIND_CONTEXT]) as requestor:
            try:
                found = list(find(requestor, Level.STUDY, keys, 1))
            except PeerRefused:
                return []
        values = [uid for each in found for uid in each.get("00080062", {}).get("Value", [])]
        return sorted({uid for uid in values if uid})[:MOST_STORAGE_CONTEXTS]

    def _choose(self, requestor: Requestor) -> tuple[Way, AcceptedContext]:
        for way, uid in (("get", STUDY_ROOT_GET), ("move", STUDY_ROOT_MOVE)):
            context = requestor.context_for(uid)
            if context is not None:
                if way == "get":
                    return "get", context
                if not self._peer.may_store:
                    raise InvalidPeer(
                        f"{self._peer.ae_title} sends by C-STORE what it is asked to move here: "
                        "let it store first (hounsfield peers)"
                    )
                return "move", context
        wish = f"C-{self._way.upper()}" if self._way else "neither C-GET nor C-MOVE"
        accepts = f"does not accept {wish}" if self._way else f"accepts {wish}"
        raise PeerRefused(f"{requestor.destination} {accepts} of the study root")

    def _request(self, way: Way, context: AcceptedContext) -> tuple[bytes, bytes]:
        command = encode_request(
            C_GET_RQ if way == "get" else C_MOVE_RQ,
            1,
            context.abstract_syntax,
            has_data_set=True,
            priority=MEDIUM,
            move_destination=self._ours if way == "move" else "",
        )
        members = {QUERY_RETRIEVE_LEVEL: {"vr": "CS", "Value": [NAMES[self._wanted.level]]}}
        tags = ("0020000D", "0020000E", "00080018")
        for tag, uid in zip(tags, self._wanted.keys.values(), strict=False):
            members[tag] = {"vr": "UI", "Value": [uid]}
        return command, IdentifierWriter(context.transfer_syntax).write(members)

    def _perform(self, request: Request, context: AcceptedContext) -> Operation:
        if request.command_field != C_STORE_RQ:
            return unrecognized(request)
        store = Store(self._archive, self._source, request, context)
        return _Stored(self, request.sop_instance_uid, store)

    def count(self, sop_instance_uid: str, status: Status) -> None:
        """An instance has come, and was stored or not."""
        if status.is_failure:
            self._refused[sop_instance_uid] = said(status)
        else:
            self._came.add(sop_instance_uid)

    def _state(self, way: Way, response: Response, *, done: bool) -> Pull:
        """By C-GET we count what came ourselves; by C-MOVE the peer does."""
        sent, failed = (response.completed or 0) + (response.warning or 0), response.failed or 0
        self._total = max(self._total, sent + failed)
        completed = sent
        if way == "get":
            completed = len(self._came)
            failed = max(self._total - completed, 0) if done else len(self._refused)
        is_all = failed == 0 and (completed > 0 or response.status.code == SUCCESS)
        problem = "" if is_all or not done else self._problem(response, failed)
        return Pull(way, done, completed, response.remaining, failed, problem)

    def _problem(self, response: Response, failed: int) -> str:
        peer = destination_of(self._peer)
        if self._refused:
            why = next(iter(self._refused.values()))
            return f"{len(self._refused)} could not be stored here: {why}"
        if response.status.code == DESTINATION_UNKNOWN:
            return (
                f"{peer} does not know {self._ours} as a place to send to: enter our AE title, "
                f"with the address of this machine and port {self._archive.settings.dimse.port}"
            )
        if failed:
            return f"{peer} could not send {failed}, and answers with {said(response.status)}"
        return f"{peer} answers with {said(response.status)}"


class _Stored:
    """A C-STORE that is counted."""

    def __init__(self, puller: Puller, sop_instance_uid: str, store: Store) -> None:
        self._puller = puller
        self._sop_instance_uid = sop_instance_uid
        self._store = store

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes."""
        self._store.write(fragment)

    def finish(self) -> Status:
        """Store it."""
        status = self._store.finish()
        self._puller.count(self._sop_instance_uid, status)
        return status

    def abort(self) -> None:
        """Leave nothing behind."""
        self._store.abort()


def storage_contexts(classes: Sequence[str], *, plain: bool = False) -> list[ProposedContext]:
    """Contexts to be sent instances of these classes in.

    Of a few classes each transfer syntax has a context of its own, so that everything can come as
    the peer has it; of more, each class has one context without compression and one with the
    compression that the peer likes best; of many, it has one context. ``plain``: without any.
    """
    alone = [(uid,) for uid in COMPRESSED]
    wishes: list[tuple[str, ...]] = [(*UNCOMPRESSED, *COMPRESSED)]
    better: list[list[tuple[str, ...]]] = [
        [UNCOMPRESSED, tuple(COMPRESSED)],
        [UNCOMPRESSED, *alone],
    ]
    for wish in [[UNCOMPRESSED]] if plain else better:
        if len(classes) * len(wish) <= MOST_STORAGE_CONTEXTS:
            wishes = wish
    pairs = [(uid, syntaxes) for uid in classes for syntaxes in wishes]
    return [ProposedContext(2 * n + 7, *pair) for n, pair in enumerate(pairs)]
