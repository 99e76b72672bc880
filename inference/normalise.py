"""Attributes of the source that the results inherit, made fit for a standard object.

Patient and study attributes are copied into SEG and SR (PS3.3 C.7.1, C.7.2). What is invalid in
the source would make the results invalid, or refused by highdicom; it is left out there, with a
note that names the attribute and never its value. The source itself stays as it is.
"""

from copy import deepcopy

from pydicom import config
from pydicom.charset import python_encoding
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Present in every SEG and SR, empty where nothing is known."""
INHERITED_GROUPS = (0x0008, 0x0010, 0x0012, 0x0032, 0x0038)
ALSO_INHERITED, NEVER_LEFT_OUT = ("StudyID",), ("SOPClassUID", "SOPInstanceUID")
REFERENCE = ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
UTF_8 = "ISO_IR 192"
SEXES = ("M", "F", "O", "")


def inheritable(source: Dataset) -> tuple[Dataset, list[str]]:
    """A copy whose inherited attributes are all valid, and notes on those that were not."""
    copy = deepcopy(source)
    notes: list[str] = []
    _check_character_set(copy, notes)
    for tag in list(copy.keys()):
        keyword = keyword_for_tag(tag) or str(tag)
        if _is_inherited(tag, keyword) and not _is_valid(copy, tag, keyword):
            del copy[tag]
            notes.append(_note(keyword))
    if copy.get("PatientSex", "") not in SEXES:
        copy.PatientSex = ""
        notes.append(_note("PatientSex"))
    for keyword in TYPE_2:
        if keyword not in copy or copy[keyword].value is None:
            setattr(copy, keyword, "")
    return copy, notes


def _note(what: str) -> str:
    return f"{what} of the images is not valid DICOM and was left out of the results."


def _check_character_set(copy: Dataset, notes: list[str]) -> None:
    """One known character set is kept; code extensions become UTF-8 (PS3.3 C.12.1.1.2).

    highdicom takes no code extensions, and that is how Japanese, Korean and Chinese names come.
    """
    terms = copy.get("SpecificCharacterSet") or []
    terms = [terms] if isinstance(terms, str) else list(terms)
    if any(term not in python_encoding for term in terms):
        del copy.SpecificCharacterSet
        notes.append(_note("SpecificCharacterSet"))
    elif len(terms) > 1:
        copy.decode()
        copy.walk(_in_unicode)
        copy.SpecificCharacterSet = UTF_8


def _in_unicode(_dataset: Dataset, element: DataElement) -> None:
    """pydicom would write the bytes that a person's name was read from."""
    if element.VR == "PN" and element.value:
        names = [element.value] if element.VM == 1 else element.value
        element.value = [str(name) for name in names]


def _is_inherited(tag: BaseTag, keyword: str) -> bool:
    if keyword in NEVER_LEFT_OUT:
        return False
    return tag.group in INHERITED_GROUPS or keyword in ALSO_INHERITED


def _is_valid(dataset: Dataset, tag: BaseTag, keyword: str) -> bool:
    """The value converts, and keeps the rules of its VR; in sequences, all of them do."""
    try:
        element = dataset[tag]
        if element.VR == "SQ":
            return all(_is_whole(item, keyword) for item in element.value)
        if element.value not in (None, ""):
            DataElement(tag, element.VR, element.value, validation_mode=config.RAISE)
    except Exception:  # whatever an invalid value makes its converter do
        return False
    return True


def _is_whole(item: Dataset, sequence: str) -> bool:
    """A reference names an instance and a code is one (PS3.3 tables 10-11 and 8.8-1)."""
    if sequence.startswith("Referenced") and not all(item.get(uid) for uid in REFERENCE):
        return False
    if sequence.endswith("CodeSequence") and not item.get("CodeMeaning"):
        return False
    return all(_is_valid(item, tag, keyword_for_tag(tag)) for tag in list(item.keys()))
