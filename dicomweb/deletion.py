"""DELETE of a study, a series or an instance: not in PS3.18, and offered as others offer it."""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from hounsfield.archive.delete import delete
from hounsfield.db.repositories.deletions import Resource
from hounsfield.dicomweb.answers import Answer
from hounsfield.dicomweb.catalog import Catalog
from hounsfield.dicomweb.problems import BadRequest
from hounsfield.dicomweb.resource import DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive

OVERRIDE, OVERRIDES = "committed", "delete"
"""The parameter, and its value, of somebody who knows that a sender relies on us."""


class Deletion:
    """``DELETE /studies/{study}`` and below, down to one instance."""

    def __init__(self, archive: "Archive", catalog: Catalog) -> None:
        self._archive = archive
        self._catalog = catalog

    async def delete(self, request: DicomWebRequest) -> Answer:
        """204; what is asked for afterwards is 410. Raises NotFound, or Gone the second time.

        Raises Committed (409) where storage commitment was given, unless ``committed=delete``.
        """
        resource = Resource(*request.uids())
        asked = request.query_params.get(OVERRIDE)
        if asked not in (None, OVERRIDES):
            raise BadRequest(f"{OVERRIDE} can be {OVERRIDES} alone")
        override = asked is not None
        await asyncio.to_thread(delete, self._archive, resource, override_commitment=override)
        self._catalog.forget()
        return Answer((), [(b"cache-control", b"no-store")], HTTPStatus.NO_CONTENT)
