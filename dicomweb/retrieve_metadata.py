"""WADO-RS metadata at its three levels (PS3.18 10.4.1.1.2): a join of ready bytes, or XML."""

from typing import TYPE_CHECKING

from hounsfield.archive.metadata_stream import stream_metadata
from hounsfield.archive.retrieve import find_instances, read_metadata
from hounsfield.dicomweb.answers import AnyAnswer, etag_of
from hounsfield.dicomweb.json_bodies import json_answer
from hounsfield.dicomweb.media_types import DICOM_XML
from hounsfield.dicomweb.resource import DicomWebRequest
from hounsfield.dicomweb.text_bodies import choose_text, xml_answer

if TYPE_CHECKING:
    from hounsfield.archive.archive import Archive


class Metadata:
    """``…/metadata`` of a study, a series or an instance."""

    def __init__(self, archive: "Archive") -> None:
        self._archive = archive

    async def retrieve(self, request: DicomWebRequest) -> AnyAnswer:
        """All attributes of all instances; large values as BulkDataURI."""
        media_type = choose_text(request)
        if media_type == DICOM_XML:
            return await self._xml(request)
        items = await read_metadata(self._archive, *request.uids())
        return await json_answer(request, items, media_type)

    async def _xml(self, request: DicomWebRequest) -> AnyAnswer:
        """The same, a part for each instance, without ever holding more than a few."""
        found = await find_instances(self._archive, *request.uids())
        etag = etag_of(DICOM_XML, request.service, *(one.digest for one in found))
        return xml_answer(request, stream_metadata(self._archive, *request.uids()), etag)
