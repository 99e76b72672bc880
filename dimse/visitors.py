"""Connections that are not, or no longer, an association (PS3.8 9.2: Sta2 and Sta13).

They cost no thread and little memory, and there are never more than so many of them from a host
and in all. When one too many comes, the oldest goes: a crowd that says nothing shuts nobody out.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Visitor:
    """A connection on its way in, or on its way out."""

    socket: socket.socket
    host: str
    deadline: float
    """When ARTIM expires (PS3.8 9.1.5)."""
    leaving: bool = False
    handshaking: bool = False
    """TLS is not yet agreed on."""
    request: bytearray = field(default_factory=bytearray)
    discarded: int = 0


class Visitors:
    """All of them, oldest first. Used by the listener's thread alone."""

    def __init__(self, most_per_host: int, most: int) -> None:
        self._most_per_host = most_per_host
        self._most = most
        self._all: dict[int, Visitor] = {}

    def add(self, visitor: Visitor) -> Visitor | None:
        """Let one in; returns the one that has to go for it, if one has."""
        self._all[id(visitor)] = visitor
        neighbours = [v for v in self._all.values() if v.host == visitor.host]
        if len(neighbours) > self._most_per_host:
            return self._first_to_go(neighbours)
        if len(self._all) > self._most:
            return self._first_to_go(list(self._all.values()))
        return None

    def remove(self, visitor: Visitor) -> None:
        """One has gone."""
        self._all.pop(id(visitor), None)

    def expired(self) -> list[Visitor]:
        """Those whose time is up."""
        now = time.monotonic()
        return [visitor for visitor in self._all.values() if visitor.deadline <= now]

    def patience(self) -> float | None:
        """Seconds until the next one's time is up."""
        if not self._all:
            return None
        return max(0.0, min(v.deadline for v in self._all.values()) - time.monotonic())

    def __contains__(self, visitor: Visitor) -> bool:
        return id(visitor) in self._all

    def __iter__(self) -> Iterator[Visitor]:
        return iter(list(self._all.values()))

    @staticmethod
    def _first_to_go(visitors: list[Visitor]) -> Visitor:
        """Who leaves already goes before those who arrive, and the oldest of them first."""
        return next((v for v in visitors if v.leaving), visitors[0])
