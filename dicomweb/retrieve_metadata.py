"""WADO-RS metadata at its three levels (PS3.18 10.4.1.1.2): a join of ready bytes."""

from typing import TYPE_CHECKING

from hounsfield.archive.retrieve import read_metadata
from hounsfield.dicomweb.answers import Answer
from hounsfield.dicomweb.json_bodies import json_answer
from hounsfield.dicomweb.media_types import DICOM_JSON, JSON, choose
from hounsfield.dicomweb.resource import DicomWebRequest

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive


class Metadata:
    """``…/metadata`` of a study, a series or an instance."""

    def __init__(self, archive: "Archive") -> None:
        self._archive = archive

    async def retrieve(self, request: DicomWebRequest) -> Answer:
        """All attributes of all instances; large values as BulkDataURI."""
        media_type = choose(request, DICOM_JSON, JSON)
        items = await read_metadata(self._archive, *request.uids())
        return await json_answer(request, items, media_type)
