"""A study whose instances name different patients is held; it is let go once they agree again.

They do when the instances of the other patient have been deleted. Where it is the first one that
was wrong, the study keeps naming its patient and stays held: it has to be deleted and sent anew.
"""

import orjson
from sqlalchemy import Connection

from hounsfield.archive.index_text import index_attributes
from hounsfield.archive.metadata import BASE_URL, expand
from hounsfield.db.repositories import deletions


def release_if_solved(connection: Connection, study_pk: int) -> None:
    """Let the study go if all of its instances name the patient that it names itself."""
    held = deletions.held_patient(connection, study_pk)
    if held is None:
        return
    for kept in deletions.metadata_of_study(connection, study_pk):
        found = index_attributes(orjson.loads(expand(kept).replace(BASE_URL, b"")))
        if (found.get("patient_id", ""), found.get("issuer_of_patient_id", "")) != held:
            return
    deletions.release(connection, study_pk)
