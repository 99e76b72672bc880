"""Finding stored instances by the UIDs of a resource, and their kept metadata."""

from typing import Any

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from hounsfield.db.tables import Instance, Series, Study

STORED_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Study.study_instance_uid,
    Series.series_instance_uid,
    Instance.sop_instance_uid,
    Instance.sop_class_uid,
    Instance.transfer_syntax_uid,
    Instance.instance_number,
    Instance.object_key,
    Instance.object_size,
    Instance.digest,
    Instance.file_meta_digest,
    Instance.dataset_offset,
    Instance.number_of_frames,
    Instance.rows,
    Instance.columns,
    Instance.bits_allocated,
    Instance.frame_table,
    Instance.bulkdata,
    Instance.stored_at,
    Series.modality,
)


def _where(
    study: str | None, series: str | None, instance: str | None
) -> list[ColumnElement[bool]]:
    pairs = (
        (Study.study_instance_uid, study),
        (Series.series_instance_uid, series),
        (Instance.sop_instance_uid, instance),
    )
    return [column == uid for column, uid in pairs if uid is not None]


def _joined(statement: Select[Any]) -> Select[Any]:
    return (
        statement.select_from(Instance)
        .join(Series, Series.id == Instance.series_pk)
        .join(Study, Study.id == Instance.study_pk)
    )


def stored_instances(
    study: str | None, series: str | None = None, instance: str | None = None
) -> Select[Any]:
    """Instances of a study, a series or one alone, in the order of their arrival a series."""
    return (
        _joined(select(*STORED_COLUMNS))
        .where(*_where(study, series, instance))
        .order_by(Instance.series_pk, Instance.id)
    )


def kept_metadata(
    study: str, series: str | None = None, instance: str | None = None
) -> Select[Any]:
    """Their metadata as kept, in the same order."""
    return (
        _joined(select(Instance.metadata_json))
        .where(*_where(study, series, instance))
        .order_by(Instance.series_pk, Instance.id)
    )


def kept_metadata_page(
    study: str,
    series: str | None,
    instance: str | None,
    after: tuple[int, int] | None,
    limit: int,
) -> Select[Any]:
    """A page of the same, behind the place (series, instance) where the last one ended."""
    place: tuple[InstrumentedAttribute[Any], ...] = (Instance.series_pk, Instance.id)
    statement = _joined(select(*place, Instance.metadata_json)).where(
        *_where(study, series, instance)
    )
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple_(*after))
    return statement.order_by(*place).limit(limit)
