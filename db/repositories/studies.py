"""The study list and the study page: studies and series with what is counted beside them.

The newest study has the highest key, so the list walks the primary key backwards and counts
only the page that it shows.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import BigInteger

from hounsfield.db.repositories.trigrams import trigrams_of
from hounsfield.db.tables import EventOutbox, Instance, Series, Settling, Study

SEARCHED = (
    Study.patient_name_folded,
    Study.patient_id,
    Study.accession_number,
    Study.study_description,
)
ITEM = (
    Study.study_instance_uid,
    Study.patient_name,
    Study.patient_id,
    Study.patient_birth_date,
    Study.patient_sex,
    Study.study_date,
    Study.study_time,
    Study.accession_number,
    Study.study_description,
    Study.stored_at,
)
MOST_WORDS = 8


def page(query: str, limit: int, offset: int) -> Select[Any]:
    """Studies of the list, those that were stored last first."""
    newest = (
        select(Study.id)
        .where(*_matching(query))
        .order_by(Study.id.desc())
        .limit(limit)
        .offset(offset)
        .cte("page")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    return _items().join(newest, newest.c.id == Study.id).order_by(Study.id.desc())


def count(query: str) -> Select[Any]:
    """How many studies the list has in all."""
    return select(func.count()).select_from(Study).where(*_matching(query))


def one(study_instance_uid: str) -> Select[Any]:
    """One study, in the columns of the list."""
    return _items().where(Study.study_instance_uid == study_instance_uid)


def series_of(study_instance_uid: str) -> Select[Any]:
    """The series of a study, in the order in which they came."""
    held = (
        select(
            func.count().label("instance_count"),
            cast(func.sum(_frames()), BigInteger).label("frame_count"),
            func.min(Instance.id).label("first_id"),
        )
        .where(Instance.series_pk == Series.id)
        .correlate(Series)
        .lateral("held")
    )
    return (
        select(
            Series.series_instance_uid,
            Series.modality,
            Series.series_number,
            Series.series_description,
            Series.body_part_examined,
            Series.stored_at,
            held.c.instance_count,
            held.c.frame_count,
            _is_settled().label("settled"),
            Instance.source["job_id"].astext.label("job_id"),
            Instance.sop_instance_uid,
        )
        .join(Study, Study.id == Series.study_pk)
        .join(held, text("true"))
        .join(Instance, Instance.id == held.c.first_id)
        .where(Study.study_instance_uid == study_instance_uid)
        .order_by(Series.id)
    )


def totals() -> Select[Any]:
    """How much is stored. Reads every row of the instances: not for each request."""
    return select(
        select(func.count()).select_from(Study).scalar_subquery().label("studies"),
        select(func.count()).select_from(Series).scalar_subquery().label("series"),
        func.count().label("instances"),
        cast(func.coalesce(func.sum(Instance.object_size), 0), BigInteger).label("bytes"),
    ).select_from(Instance)


def _items() -> Select[Any]:
    modalities = (
        select(func.array_agg(Series.modality.distinct()))
        .where(Series.study_pk == Study.id, Series.modality != "")
        .scalar_subquery()
    )
    series = select(func.count()).where(Series.study_pk == Study.id).scalar_subquery()
    instances = select(func.count()).where(Instance.study_pk == Study.id).scalar_subquery()
    columns: tuple[Any, ...] = (
        *ITEM,
        func.coalesce(modalities, []).label("modalities"),
        series.label("series_count"),
        instances.label("instance_count"),
    )
    return select(*columns)


def _frames() -> ColumnElement[int]:
    """An image without Number of Frames has one; what is no image has none."""
    return func.coalesce(Instance.number_of_frames, case((Instance.rows.is_not(None), 1), else_=0))


def _is_settled() -> ColumnElement[bool]:
    """Nothing of it waits: neither for quiet, nor for its number in the feed."""
    waits = select(Settling.series_pk).where(Settling.series_pk == Series.id)
    comes = select(EventOutbox.id).where(EventOutbox.series_pk == Series.id)
    return and_(~waits.exists(), ~comes.exists())


def _matching(query: str) -> Sequence[ColumnElement[bool]]:
    """Each word stands somewhere: name, patient ID, accession number, description, date, UID."""
    words = re.split(r"[\s^,]+", query.strip())[:MOST_WORDS]
    return [_has(word) for word in words if word]


def _has(word: str) -> ColumnElement[bool]:
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", word.casefold()) + "%"
    places = [_stands_in(column, pattern) for column in SEARCHED]
    digits = re.sub(r"[-./]", "", word) if re.fullmatch(r"[\d./-]+", word) else ""
    if digits:
        places.append(Study.study_instance_uid == word)
    if digits and len(digits) <= len("YYYYMMDD"):
        places.append(Study.study_date.between(digits, digits.ljust(len("YYYYMMDD"), "9")))
    return or_(*places)


def _stands_in(column: InstrumentedAttribute[str], pattern: str) -> ColumnElement[bool]:
    """An index finds the rows by trigrams, and the pattern decides.

    Only ASCII has the same small letters here and in the index, and names that are folded.
    """
    pieces = trigrams_of(pattern)
    if column is not Study.patient_name_folded:
        pieces = [piece for piece in pieces if piece.isascii()]
    stands = column.ilike(pattern, escape="\\")
    if not pieces:
        return stands
    texts = ARRAY(Text)
    return and_(func.trigrams(column, type_=texts).contains(cast(pieces, texts)), stands)
