"""Which abstract syntaxes are storage SOP classes here (PS3.4 B.5 and B.6, PS3.7 D.3.3.6).

Known are those of PS3.6, the retired ones among them: old archives are full of them. Not those
of objects without a patient (PS3.4 GG), which have no study to stand in. Others are taken as far
as the settings and the sender's own word on them allow: vendors send private classes within
ordinary series, and later editions of the standard have more than this one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary
from pynetdicom import AllStoragePresentationContexts

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
"""Push Model (PS3.4 J)."""
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
STORAGE_SERVICE_CLASS = "1.2.840.10008.4.2"

DICOM_ROOT = "1.2.840.10008."
STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."

UID = re.compile(r"[0-9.]{1,64}")

WITHOUT_PATIENT = frozenset(
    STORAGE_ROOT + number for number in ("200.1", "200.3", "200.7", "201.1")
)
"""Protocols and inventories: of the storage root, and yet of no study."""


def _standard() -> frozenset[str]:
    current = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    retired = {
        uid
        for uid, (name, *_) in UID_dictionary.items()
        if uid.startswith(STORAGE_ROOT) and " Storage" in name
    }
    return frozenset((current | retired) - WITHOUT_PATIENT)


STORAGE_CLASSES = _standard()


@dataclass(frozen=True, slots=True)
class CommonExtended:
    """What a requestor says of one SOP class (SOP Class Common Extended Negotiation)."""

    service_class: str
    general_classes: tuple[str, ...]
    """Those of which it is a special case."""


def may_be_storage(uid: str) -> bool:
    """Known as storage, or not known at all."""
    if uid in STORAGE_CLASSES:
        return True
    if uid in UID_dictionary or UID.fullmatch(uid) is None:
        return False
    return uid.startswith(STORAGE_ROOT) or not uid.startswith(DICOM_ROOT)


def is_storage(uid: str, said: Mapping[str, CommonExtended], *, unknown: bool) -> bool:
    """Whether instances of the class are stored; ``unknown``: also of one that nobody knows."""
    if uid in STORAGE_CLASSES:
        return True
    word = said.get(uid)
    if not may_be_storage(uid) or (word and word.service_class != STORAGE_SERVICE_CLASS):
        return False
    return unknown or bool(word and STORAGE_CLASSES.intersection(word.general_classes))
