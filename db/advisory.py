"""A name that one process holds at a time, over all machines, until it lets go or dies."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

_TRY = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
_LET_GO = text("SELECT pg_advisory_unlock(hashtextextended(:name, 0))")


@contextmanager
def held(engine: Engine, name: str) -> Iterator[bool]:
    """Whether the name is ours while the block runs. It keeps a connection for itself."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as seat:
        ours = bool(seat.execute(_TRY, {"name": name}).scalar_one())
        try:
            yield ours
            if ours:
                seat.execute(_LET_GO, {"name": name})
        except BaseException:
            seat.invalidate()  # with its session the lock goes, whatever state that is in
            raise
