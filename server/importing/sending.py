"""Batches of files as STOW-RS requests (PS3.18 10.5), and what becomes of each file.

The answer names instances, not files: a file is found again by the UID at its beginning. What
cannot be told apart that way is sent once more by itself. Storing is idempotent.
"""

import contextlib
import http.client
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from hounsfield.dicomweb.multipart import closing, content_type_of
from hounsfield.dicomweb.store_parts import Part
from hounsfield.server.importing.sources import Entry, Source, Unreadable, pieces

BOUNDARY = "hounsfield-import-7d1f3c0a9b"
DICOM = "application/dicom"
SECONDS = 600.0
MOST_TRIES = 10
WAIT_SECONDS = 1.0
LONGEST_WAIT = 30.0
LOST = (OSError, http.client.HTTPException)


class ServerGone(Exception):
    """The server has not answered for minutes."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent."""

    entry: Entry
    head: bytes

    @property
    def sop_instance_uid(self) -> str:
        """As far as its beginning tells."""
        return Part(beginning=self.head).names()[1]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a file: stored, stored with a warning, or refused with a reason."""

    entry: Entry
    stored: bool
    remark: str = ""


class Sender:
    """Sends to one server. Safe to use from several threads."""

    def __init__(self, host: str, port: int, source: Source) -> None:
        self._host, self._port = host, port
        self._source = source

    def send(self, files: Sequence[File]) -> list[Fate]:
        """Send in one request, and again where that is worth it. Raises ServerGone."""
        try:
            status, answer = self._post_with_patience(files)
        except Unreadable as error:
            rest = [file for file in files if file.entry != error.entry]
            refused = [Fate(error.entry, False, str(error))]
            return refused + (self.send(rest) if rest else [])
        told = _fates(files, answer)
        left = [file for file in files if file.entry not in {fate.entry for fate in told}]
        if len(files) == 1 and left:
            return [Fate(files[0].entry, False, _reason(status, answer))]
        return told + [fate for file in left for fate in self.send([file])]

    def _post_with_patience(self, files: Sequence[File]) -> tuple[int, Any]:
        """Wait for a server that is full, starts anew or was lost."""
        for attempt in range(MOST_TRIES):
            try:
                status, answer = self._post(files)
            except LOST:
                status = 0
            if status not in {0, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.REQUEST_TIMEOUT}:
                return status, answer
            if attempt < MOST_TRIES - 1:
                time.sleep(min(WAIT_SECONDS * 2**attempt, LONGEST_WAIT))
        if not status:
            raise ServerGone
        return status, answer

    def _post(self, files: Sequence[File]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        headers = {
            "Content-Type": content_type_of(DICOM, BOUNDARY).decode(),
            "Accept": "application/dicom+json",
            "Transfer-Encoding": "chunked",
        }
        try:
            # A server that refuses may answer, and hang up, before it has heard all.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    "POST", "/dicom-web/studies", self._body(files), headers, encode_chunked=True
                )
            response = connection.getresponse()
            return response.status, _parsed(response.read())
        finally:
            connection.close()

    def _body(self, files: Sequence[File]) -> Iterator[bytes]:
        for file in files:
            yield f"\r\n--{BOUNDARY}\r\nContent-Type: {DICOM}\r\n\r\n".encode()
            yield from pieces(self._source, file.entry)
        yield closing(BOUNDARY)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}


def _fates(files: Sequence[File], answer: Any) -> list[Fate]:
    """Files that the answer names, once each."""
    by_uid: dict[str, list[File]] = {}
    for file in files:
        if uid := file.sop_instance_uid:
            by_uid.setdefault(uid, []).append(file)
    told = []
    for tag, stored in (("00081199", True), ("00081198", False)):
        for item in _items(answer, tag):
            uid = _first(item, "00081155")
            if by_uid.get(uid):
                warned = stored and "00081196" in item
                remark = WARNED if warned else "" if stored else comment_of(item)
                told.append(Fate(by_uid[uid].pop(0).entry, stored, remark))
    return told


WARNED = "other content is stored under its UID: it was put in quarantine"


def _reason(status: int, answer: Any) -> str:
    for tag in ("0008119A", "00081198"):
        for item in _items(answer, tag):
            return comment_of(item)
    detail = answer.get("detail") if isinstance(answer, dict) else None
    return str(detail or f"the server answered {status}")


def comment_of(item: Any) -> str:
    """The message of a failure (see dicomweb.store_response)."""
    comments = [_first(part, "00000902") for part in _items(item, "00741048")]
    return " ".join(comments) or f"failure reason {_first(item, '00081197')}"


def _items(members: Any, tag: str) -> list[Any]:
    element = members.get(tag, {}) if isinstance(members, dict) else {}
    return list(element.get("Value", []))


def _first(members: Any, tag: str) -> str:
    return str((_items(members, tag) or [""])[0])
