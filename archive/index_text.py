"""The text columns of the index: what the database can match and order by (PS3.4 C.2.2.2)."""

from hounsfield.archive.dicom_json import Members, values_of

INDEX_COLUMNS = {
    "00100020": "patient_id",
    "00100021": "issuer_of_patient_id",
    "00100010": "patient_name",
    "00100030": "patient_birth_date",
    "00100040": "patient_sex",
    "00080020": "study_date",
    "00080030": "study_time",
    "00080050": "accession_number",
    "00080090": "referring_physician_name",
    "00200010": "study_id",
    "00081030": "study_description",
    "00080060": "modality",
    "00200011": "series_number",
    "0008103E": "series_description",
    "00180015": "body_part_examined",
    "00400244": "performed_procedure_step_start_date",
    "00400245": "performed_procedure_step_start_time",
    "00200013": "instance_number",
}
"""Text columns by the member that fills them."""

_CONTROL = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
_LARGEST_INDEXED_BYTES = 10_000


def index_attributes(members: Members) -> dict[str, str]:
    """The text columns, as PostgreSQL and a search take them."""
    found = {}
    for key, column in INDEX_COLUMNS.items():
        values = values_of(members, key)
        if values and (text := _index_text(values)):
            found[column] = text
    return found


def _index_text(values: list[object]) -> str:
    text = "\\".join(map(plain, values)) if len(values) > 1 else plain(values[0])
    text = without_controls(text)
    if len(text) <= _LARGEST_INDEXED_BYTES // 4:
        return text
    return text.encode()[:_LARGEST_INDEXED_BYTES].decode(errors="ignore")


def without_controls(text: str) -> str:
    """What a search can ask for: nothing that cannot be seen, and no padding."""
    return (text if text.isprintable() else text.translate(_CONTROL)).strip()


def plain(value: object) -> str:
    """A value of DICOM JSON as text; a person's name with its groups."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        names = [value.get(n, "") for n in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(names).rstrip("=")
    return "" if value is None else str(value)
