"""Where the values lie that metadata give by URI (PS3.18 10.4.1.1.5, F.2.6)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import orjson

from hounsfield.archive.errors import NotFound


class BulkdataLocation(NamedTuple):
    """One value: its range in the object, its VR, and what to do with its bytes."""

    offset: int
    length: int
    vr: str
    transform: str
    """``none``, ``swap16/32/64`` (big endian), ``inflate`` (the range is in the inflated data
    set), ``encapsulated`` (items with tags: pixel data as they are encoded)."""


@dataclass(frozen=True, slots=True)
class BulkdataTable:
    """All bulk data of one instance by path: ``7FE00010``, ``52009229/0/00289110/0/00189073``."""

    locations: dict[str, BulkdataLocation]

    def locate(self, path: str) -> BulkdataLocation:
        """Where the value of that path lies. Raises NotFound."""
        found = self.locations.get(path)
        if found is None:
            raise NotFound(f"no bulk data {path}")
        return found

    def __bool__(self) -> bool:
        return bool(self.locations)

    def __iter__(self) -> Iterator[str]:
        return iter(self.locations)

    def encode(self) -> bytes:
        """Compact bytes for the instance's row."""
        return orjson.dumps({path: tuple(place) for path, place in self.locations.items()})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The table that :meth:`encode` wrote."""
        return cls({path: BulkdataLocation(*entry) for path, entry in orjson.loads(data).items()})
