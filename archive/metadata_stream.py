"""The kept metadata of many instances, one after the other: memory does not grow with a study."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import psycopg

from hounsfield.archive.errors import Unavailable
from hounsfield.archive.metadata import expand
from hounsfield.db.reader import Rows
from hounsfield.db.repositories import retrieve as statements

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

AT_A_TIME = 50


async def stream_metadata(
    archive: "Archive",
    study_instance_uid: str,
    series_instance_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> AsyncGenerator[bytes, None]:
    """DICOM JSON objects of the instances; byte FF stands where the base URL goes."""
    uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
    after: tuple[int, int] | None = None
    while True:
        page = await _page(archive, uids, after)
        for row in page:
            yield expand(row[2])
        if len(page) < AT_A_TIME:
            return
        after = (page[-1][0], page[-1][1])


async def _page(
    archive: "Archive", uids: tuple[str, str | None, str | None], after: tuple[int, int] | None
) -> Rows:
    """No connection is held between pages: a slow client keeps none from the others."""
    statement = statements.kept_metadata_page(*uids, after, AT_A_TIME)
    try:
        return await archive.database.reader.fetch(statement.text, statement.values)
    except psycopg.Error as error:
        raise Unavailable("the database does not answer") from error
