"""Native DICOM Model (PS3.19 A.1) of one instance, from the DICOM JSON that the archive keeps."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import orjson
from pydicom.datadict import keyword_for_tag

from hounsfield.archive.dicom_json import Members, values_of

Write = Callable[[int, Any], Iterator[str]]

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"'
    ' xml:space="preserve">'
)
TAIL = "</NativeDicomModel>\n"
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document may hold, not even escaped (form feed and escape)."""


def native_model(document: bytes) -> bytes:
    """The XML document of a DICOM JSON object."""
    members: Members = orjson.loads(document)
    return "".join((HEAD, *_attributes(members), TAIL)).encode()


def _attributes(members: Members) -> Iterator[str]:
    for key, element in members.items():
        yield f'<DicomAttribute{_names(key, members)} vr="{element["vr"]}">'
        yield from _content(element)
        yield "</DicomAttribute>"


def _names(key: str, members: Members) -> str:
    """Tag, and keyword or private creator. A private tag is written without its block number."""
    creator = values_of(members, f"{key[:4]}00{key[4:6]}")[:1] if _is_private(key) else []
    if creator and isinstance(creator[0], str):
        return f' tag="{key[:4]}00{key[6:]}" privateCreator={quoteattr(_text(creator[0]))}'
    keyword = _keyword(key)
    return f' tag="{key}" keyword="{keyword}"' if keyword else f' tag="{key}"'


def _is_private(key: str) -> bool:
    return int(key[3], 16) % 2 == 1 and key[4:6] != "00"


@lru_cache(maxsize=8192)
def _keyword(key: str) -> str:
    keyword: str = keyword_for_tag(int(key, 16))
    return keyword


def _content(element: dict[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
    else:
        vr, values = element["vr"], element.get("Value", ())
        write: Write = {"SQ": _item, "PN": _person_name}.get(vr, _value)
        for number, value in enumerate(values, start=1):
            yield from write(number, value)


def _item(number: int, members: Members) -> Iterator[str]:
    yield f'<Item number="{number}">'
    yield from _attributes(members)
    yield "</Item>"


def _person_name(number: int, name: dict[str, str] | None) -> Iterator[str]:
    yield f'<PersonName number="{number}">'
    for group in GROUPS:
        if text := (name or {}).get(group):
            yield f"<{group}>{''.join(_components(text.split('^')))}</{group}>"
    yield "</PersonName>"


def _components(parts: Iterable[str]) -> Iterator[str]:
    for component, part in zip(COMPONENTS, parts, strict=False):
        if part:
            yield f"<{component}>{_escaped(part)}</{component}>"


def _value(number: int, value: Any) -> Iterator[str]:
    text = "" if value is None else _escaped(str(value))
    yield f'<Value number="{number}">{text}</Value>'


def _escaped(text: str) -> str:
    """A reader of XML turns a bare carriage return into a line feed."""
    return escape(_text(text), {"\r": "&#13;"})


def _text(text: str) -> str:
    return NOT_IN_XML.sub("\ufffd", text)
