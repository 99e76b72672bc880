"""Writes the items of a search answer: a join of what was made at ingest and what was counted.

Every tag has its place (PS3.18 F.2.2: ascending), so the members of several levels are merged. They
are cut apart as bytes; nothing is parsed. Byte FF stands for the base URL.
"""

import re
from collections.abc import Sequence
from operator import itemgetter

import orjson

from hounsfield.archive.metadata import members_of
from hounsfield.db.reader import Rows
from hounsfield.db.repositories.conditions import Level

Members = dict[bytes, bytes]
"""Members by their tags, each as it is written between its first quotation mark and last brace."""

_ONLINE = {b"00080056": b'00080056":{"vr":"CS","Value":["ONLINE"]'}
_RETRIEVE_URL = b'00081190":{"vr":"UR","Value":["\xff%b"]'
_MODALITIES = b'00080061":{"vr":"CS"%b'
_SERIES_OF_STUDY = b'00201206":{"vr":"IS","Value":[%d]'
_INSTANCES_OF_STUDY = b'00201208":{"vr":"IS","Value":[%d]'
_INSTANCES_OF_SERIES = b'00201209":{"vr":"IS","Value":[%d]'

# A quotation mark inside a value is escaped: what looks like the name of a member is one.
_BETWEEN = re.compile(rb'\},"(?=[0-9A-F]{8}":\{)')
_JOIN = b'},"'
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_tag_of = itemgetter(slice(8))


def write(level: Level, rows: Rows, extras: Sequence[Members] = ()) -> list[bytes]:
    """DICOM JSON objects of the rows of a search; ``extras`` are more members of each instance."""
    if level is Level.STUDY:
        return [_study(*row) for row in rows]
    if level is Level.SERIES:
        return [_series(*row) for row in rows]
    return _instances(rows, extras)


def included(kept: bytes, wanted: frozenset[str] | None) -> Members:
    """Members of an instance's kept metadata: those wanted, or all."""
    members = _by_tag(members_of(kept))
    if wanted is None:
        return members
    names = {name.encode() for name in wanted}
    # A private attribute says nothing without its creator: (gggg,00bb) of (gggg,bbee).
    names |= {name[:4] + b"00" + name[4:6] for name in names if int(name[3:4], 16) % 2}
    return {tag: members[tag] for tag in members.keys() & names}


def _study(
    uid: str, attributes: bytes, modalities: list[str], series_count: int, instance_count: int
) -> bytes:
    return _object(
        *_cut(attributes),
        *_ONLINE.values(),
        _RETRIEVE_URL % f"/studies/{uid}".encode(),
        _MODALITIES % (b',"Value":' + orjson.dumps(modalities) if modalities else b""),
        _SERIES_OF_STUDY % series_count,
        _INSTANCES_OF_STUDY % instance_count,
    )


def _series(study: str, uid: str, of_study: bytes, of_series: bytes, instance_count: int) -> bytes:
    members = _by_tag(of_study) | _by_tag(of_series) | _ONLINE
    return _object(
        *members.values(),
        _RETRIEVE_URL % f"/studies/{study}/series/{uid}".encode(),
        _INSTANCES_OF_SERIES % instance_count,
    )


def _instances(rows: Rows, extras: Sequence[Members]) -> list[bytes]:
    """What is above a series is cut once; a row that says nothing of it is of the same series."""
    items = []
    for n, (_, uid, own, study, series, of_study, of_series) in enumerate(rows):
        if series is not None:
            above = _by_tag(of_study) | _by_tag(of_series) | _ONLINE
            url = _RETRIEVE_URL.replace(
                b"%b", f"/studies/{study}/series/{series}/instances/%b".encode()
            )
            frames: dict[tuple[bytes, ...], bytes] = {}
        members = [*_cut(own), url % uid.encode()]
        if extras:
            members = list(({_tag_of(member): member for member in members} | extras[n]).values())
        members.sort()
        tags = tuple(map(_tag_of, members))
        frame = frames.get(tags) or frames.setdefault(tags, _frame(above, tags))
        items.append(frame % tuple(members))
    return items


def _frame(above: Members, tags: Sequence[bytes]) -> bytes:
    """An object with a place for each of these tags, and all else from above round them."""
    places = {tag: member.replace(b"%", b"%%") for tag, member in above.items()}
    places |= dict.fromkeys(tags, b"%b")
    return b'{"' + _JOIN.join([member for _, member in sorted(places.items())]) + b"}}"


def _object(*members: bytes) -> bytes:
    return b'{"' + _JOIN.join(sorted(members)) + b"}}"


def _by_tag(ready: bytes) -> Members:
    return {_tag_of(member): member for member in _cut(ready)}


def _cut(ready: bytes) -> list[bytes]:
    """Members that were written one behind the other, apart."""
    pieces = _BETWEEN.split(ready[1:-1])
    if b'"vr":"SQ"' not in ready:
        return pieces
    members: list[bytes] = []
    depth = 0
    for piece in pieces:
        if depth:
            members[-1] += _JOIN + piece
        else:
            members.append(piece)
        marks = _STRING.sub(b"", piece[9:])
        depth += marks.count(b"{") - marks.count(b"}") - 1
    return members
