"""An instance whose bytes are written and whose header is read: ready to be committed."""

from dataclasses import dataclass
from typing import Any

import orjson

from hounsfield.archive.header import WRITER_VERSION, Header
from hounsfield.archive.metadata import compress
from hounsfield.archive.objects.port import ObjectWriter
from hounsfield.archive.types import Outcome, Source, StoreResult
from hounsfield.db.repositories.instances import SERIES_TEXT, STUDY_TEXT, NewInstance


@dataclass(slots=True)
class Prepared:
    """One instance on its way from the sender to the index."""

    header: Header
    writer: ObjectWriter
    row: NewInstance
    association_id: str = ""
    on_stable_storage: bool = False
    tried: bool = False
    """An attempt to insert it ended without an answer: it may be there."""

    @property
    def series_pk(self) -> int:
        """Key of its series, once it has been placed."""
        return int(str(self.row.columns["series_pk"]))

    def make_durable(self) -> None:
        """Sync the object's bytes, once."""
        if not self.on_stable_storage:
            self.writer.finish()
            self.on_stable_storage = True

    def result(self, outcome: Outcome, warning: str | None = None) -> StoreResult:
        """The answer for this instance."""
        header = self.header
        return StoreResult(
            outcome,
            header.study_instance_uid,
            header.series_instance_uid,
            header.sop_instance_uid,
            header.sop_class_uid,
            warning,
        )


def make_row(
    header: Header,
    source: Source,
    *,
    object_key: str,
    object_size: int,
    digest: bytes,
    file_meta_digest: bytes,
) -> NewInstance:
    """The rows of an instance from its header and from where its bytes lie."""
    attributes = dict.fromkeys((*STUDY_TEXT, *SERIES_TEXT), "") | header.attributes
    attributes["study_instance_uid"] = header.study_instance_uid
    attributes["series_instance_uid"] = header.series_instance_uid
    attributes["patient_name_folded"] = attributes["patient_name"].casefold()
    attributes["referring_physician_name_folded"] = attributes[
        "referring_physician_name"
    ].casefold()
    columns: dict[str, Any] = {
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "instance_number": attributes.get("instance_number", ""),
        "rows": header.rows,
        "columns": header.columns,
        "bits_allocated": header.bits_allocated,
        "number_of_frames": header.number_of_frames,
        "object_key": object_key,
        "object_size": object_size,
        "digest": digest,
        "file_meta_digest": file_meta_digest,
        "dataset_offset": header.dataset_offset,
        "frame_table": header.frame_table.encode() if header.frame_table else None,
        "bulkdata": header.bulkdata.encode() if header.bulkdata else None,
        "attributes": header.instance_json,
        "metadata_json": compress(header.metadata_json),
        "metadata_version": WRITER_VERSION,
        "source": orjson.dumps(source.as_json()).decode(),
    }
    event = {
        "modality": attributes["modality"],
        "sop_class_uid": header.sop_class_uid,
        "protocol": source.protocol,
    }
    if source.job_id:
        event["job_id"] = source.job_id
    return NewInstance(attributes, header, columns, orjson.dumps(event).decode())
