"""Finding stored instances by the UIDs of a resource, and their kept metadata.

The parent is looked up first, by itself: however little PostgreSQL knows of the tables yet, the
instances are then read in their order from the parent's index.
"""

from dataclasses import dataclass

STORED_COLUMNS = (
    "study.study_instance_uid",
    "series.series_instance_uid",
    "instance.sop_instance_uid",
    "instance.sop_class_uid",
    "instance.transfer_syntax_uid",
    "instance.instance_number",
    "instance.object_key",
    "instance.object_size",
    "instance.digest",
    "instance.file_meta_digest",
    "instance.dataset_offset",
    "instance.number_of_frames",
    'instance."rows"',
    'instance."columns"',
    "instance.bits_allocated",
    "instance.frame_table",
    "instance.bulkdata",
    "instance.stored_at",
    "series.modality",
)

PARENTS = "JOIN series ON series.id = instance.series_pk JOIN study ON study.id = instance.study_pk"
STUDY = "(SELECT id FROM study WHERE study_instance_uid = %s)"
"""The key of a study by its UID."""
SERIES_OF_STUDY = f"(SELECT id FROM series WHERE study_pk = {STUDY} AND series_instance_uid = %s)"  # noqa: S608
"""The key of a series by the UIDs of its study and of its own."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with ``%s`` for each value."""

    text: str
    values: tuple[str | int, ...]


def stored_instances(
    study: str | None, series: str | None = None, instance: str | None = None
) -> Statement:
    """Instances of a study, a series or one alone, in the order of their arrival a series."""
    where, values = _where(study, series, instance)
    return Statement(
        f"SELECT {', '.join(STORED_COLUMNS)} FROM instance "  # noqa: S608
        "JOIN series ON series.id = instance.series_pk "
        f"JOIN study ON study.id = instance.study_pk WHERE {where} "
        "ORDER BY instance.series_pk, instance.id",
        values,
    )


def kept_metadata(
    study: str, series: str | None = None, instance: str | None = None, limit: int | None = None
) -> Statement:
    """Their metadata as kept, in the same order."""
    where, values = _where(study, series, instance)
    text = (
        f"SELECT instance.metadata_json FROM instance WHERE {where} "  # noqa: S608
        "ORDER BY instance.series_pk, instance.id"
    )
    if limit is None:
        return Statement(text, values)
    return Statement(f"{text} LIMIT %s", (*values, limit))


def _where(
    study: str | None, series: str | None, instance: str | None
) -> tuple[str, tuple[str, ...]]:
    """Where the instances of a resource lie. Raises ValueError for no resource at all."""
    clauses, values = [], []
    if study is not None and series is not None:
        clauses.append(f"instance.series_pk = {SERIES_OF_STUDY}")
        values += [study, series]
    elif study is not None:
        clauses.append(f"instance.study_pk = {STUDY}")
        values.append(study)
    if instance is not None:
        clauses.append("instance.sop_instance_uid = %s")
        values.append(instance)
    if not clauses:
        raise ValueError("neither a study nor an instance is named")
    return " AND ".join(clauses), tuple(values)
