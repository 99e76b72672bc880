"""What every endpoint shares: the archive, the database as rows, and how a failure is described."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from fastapi import Depends
from sqlalchemy import Row, Select
from starlette.requests import HTTPConnection

from hounsfield.archive.archive import Archive
from hounsfield.archive.events import read_events
from hounsfield.server.api.models import Problem


def _archive(connection: HTTPConnection) -> Archive:
    return cast(Archive, connection.app.state.archive)


OfArchive = Annotated[Archive, Depends(_archive)]

AFTER_ALL = 2**62
UID = r"^[0-9.]{1,64}$"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The failures of an endpoint, for the OpenAPI document."""
    schema = {"schema": Problem.model_json_schema()}
    content = {"application/problem+json": schema}
    return {status: {"description": "Problem", "content": content} for status in statuses}


async def rows_of(archive: Archive, statement: Select[Any]) -> Sequence[Row[Any]]:
    """Every row that a statement selects."""
    async with archive.database.async_engine.connect() as connection:
        rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
        return rows


async def last_sequence(archive: Archive) -> int:
    """The number of the last event. What is read after it holds all that it stands for."""
    return (await read_events(archive, AFTER_ALL, 1)).last_sequence
