"""DELETE of a study, a series or an instance: not in PS3.18, and offered as others offer it."""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from hounsfield.archive.delete import delete
from hounsfield.db.repositories.deletions import Resource
from hounsfield.dicomweb.answers import Answer
from hounsfield.dicomweb.catalog import Catalog
from hounsfield.dicomweb.resource import DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive


class Deletion:
    """``DELETE /studies/{study}`` and below, down to one instance."""

    def __init__(self, archive: "Archive", catalog: Catalog) -> None:
        self._archive = archive
        self._catalog = catalog

    async def delete(self, request: DicomWebRequest) -> Answer:
        """204; what is asked for afterwards is 410. Raises NotFound, or Gone the second time."""
        resource = Resource(*request.uids())
        await asyncio.to_thread(delete, self._archive, resource)
        self._catalog.forget()
        return Answer((), [(b"cache-control", b"no-store")], HTTPStatus.NO_CONTENT)
