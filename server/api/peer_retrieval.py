"""What we ask of peers as their user: queries, and studies that are fetched from them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

import orjson
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from hounsfield.archive import peers
from hounsfield.archive.errors import HounsfieldError, InvalidQuery
from hounsfield.archive.search import Level
from hounsfield.dimse.probe import destination_of
from hounsfield.dimse.pulling import Puller, Wanted
from hounsfield.dimse.querying import FIND_CONTEXT, find
from hounsfield.dimse.requestor import Requestor
from hounsfield.server.api.common import UID, OfArchive, problems

router = APIRouter(tags=["peers"], prefix="/peers")

NDJSON = "application/x-ndjson"


class PeerQuery(BaseModel):
    """A C-FIND of the study root. ``keys``: keyword to value, with wildcards and ranges."""

    model_config = ConfigDict(extra="forbid")

    level: Literal["study", "series", "instance"] = "study"
    keys: dict[str, str] = Field({}, max_length=50)
    limit: int = Field(100, ge=1, le=10_000)


class PeerMatches(BaseModel):
    """What a peer found, as DICOM JSON (PS3.18 Annex F). ``complete``: there are no others."""

    matches: list[dict[str, Any]]
    complete: bool


class PullRequest(BaseModel):
    """What to fetch; without ``way`` C-GET where the peer accepts it, else C-MOVE to us."""

    model_config = ConfigDict(extra="forbid")

    study_instance_uid: str = Field(pattern=UID)
    series_instance_uid: str = Field("", pattern=r"^[0-9.]{0,64}$")
    sop_instance_uid: str = Field("", pattern=r"^[0-9.]{0,64}$")
    way: Literal["get", "move"] | None = None


class PullProgress(BaseModel):
    """A line of the answer: how far it is; the last one has ``done``, and what went wrong."""

    way: Literal["get", "move"] | None
    done: bool
    completed: int
    remaining: int | None
    failed: int
    problem: str


@router.post("/{ae_title:path}/query", responses=problems(400, 403, 404, 502, 503))
def query_peer(archive: OfArchive, ae_title: str, query: PeerQuery) -> PeerMatches:
    """Ask a peer what it has (C-FIND)."""
    destination = destination_of(peers.find(archive, ae_title))
    with Requestor(destination, archive.settings, [FIND_CONTEXT]) as requestor:
        found = list(find(requestor, Level(query.level), query.keys, query.limit))
    return PeerMatches(matches=found, complete=len(found) < query.limit)


@router.post(
    "/{ae_title:path}/pull",
    response_class=StreamingResponse,
    responses=problems(400, 403, 404, 503)
    | {200: {"content": {NDJSON: {"schema": PullProgress.model_json_schema()}}}},
)
def pull_from_peer(archive: OfArchive, ae_title: str, wish: PullRequest) -> StreamingResponse:
    """Fetch a study, a series or an instance from a peer.

    The answer is a line of JSON whenever it is a bit further. A client that leaves cancels it.
    """
    if wish.sop_instance_uid and not wish.series_instance_uid:
        raise InvalidQuery("an instance is asked for with the series that it is in")
    wanted = Wanted(wish.study_instance_uid, wish.series_instance_uid, wish.sop_instance_uid)
    peer = peers.find(archive, ae_title)
    destination_of(peer)
    puller = Puller(archive, peer, wanted, wish.way)
    return StreamingResponse(_lines(puller), media_type=NDJSON)


def _lines(puller: Puller) -> Iterator[bytes]:
    try:
        for progress in puller.run():
            yield orjson.dumps(asdict(progress)) + b"\n"
    except HounsfieldError as error:
        failed = PullProgress(
            way=None, done=True, completed=0, remaining=None, failed=0, problem=error.message
        )
        yield failed.model_dump_json().encode() + b"\n"
