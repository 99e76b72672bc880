"""The Native DICOM Model in XML (PS3.19 A.1) as DICOM JSON members.

Read by expat as a stream. A document type is refused as such: no entity is ever declared, let
alone resolved, and nothing outside the document is opened.
"""

from typing import Any
from xml.parsers import expat

from hounsfield.archive.dicom_json import Members
from hounsfield.archive.errors import CannotUnderstand
from hounsfield.archive.scanned import DEFAULT_LIMITS

COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
MOST_VALUES = 1_000_000


def read_native_model(document: bytes) -> Members:
    """The members of one data set. Raises CannotUnderstand."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise CannotUnderstand(f"the metadata are no XML: {error}") from error
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise CannotUnderstand("the metadata are not in the Native DICOM Model") from error
    return reader.root


def _refuse(*_: Any) -> None:
    raise CannotUnderstand("a document type declaration is not taken")


class _Reader:
    """What expat tells, put together."""

    def __init__(self) -> None:
        self.root: Members = {}
        self._data_sets: list[Members] = [self.root]
        self._elements: list[Members] = []
        self._name: dict[str, dict[str, str]] = {}
        self._group: dict[str, str] = {}
        self._text: list[str] = []
        self._budget = MOST_VALUES

    def start(self, qualified: str, attributes: dict[str, str]) -> None:
        """An element of XML begins."""
        name = qualified.rpartition(" ")[2]
        self._text = []
        if name == "DicomAttribute":
            element: Members = {"vr": attributes["vr"]}
            self._data_sets[-1][attributes["tag"].upper()] = element
            self._elements.append(element)
        elif name == "Item":
            if len(self._data_sets) > DEFAULT_LIMITS.depth:
                raise CannotUnderstand("sequences are nested deeper than this archive reads")
            item: Members = {}
            self._put(attributes, item)
            self._data_sets.append(item)
        elif name == "PersonName":
            self._name = {}
            self._put(attributes, self._name)
        elif name in GROUPS:
            self._group = self._name.setdefault(name, {})
        elif name == "BulkData":
            self._elements[-1]["BulkDataURI"] = attributes["uri"]
        elif name == "Value":
            self._put(attributes, None)

    def text(self, data: str) -> None:
        """Text between tags."""
        self._text.append(data)

    def end(self, qualified: str) -> None:
        """An element of XML ends."""
        name = qualified.rpartition(" ")[2]
        text = "".join(self._text)
        if name == "DicomAttribute":
            self._elements.pop()
        elif name == "Item":
            self._data_sets.pop()
        elif name == "Value":
            self._elements[-1]["Value"][-1] = text or None
        elif name == "InlineBinary":
            self._elements[-1]["InlineBinary"] = "".join(text.split())
        elif name in COMPONENTS:
            self._group[name] = text
        elif name in GROUPS:
            parts = "^".join(self._group.get(component, "") for component in COMPONENTS)
            self._name[name] = parts.rstrip("^")  # type: ignore[assignment]
        self._text = []

    def _put(self, attributes: dict[str, str], value: Any) -> None:
        """At the place that ``number`` names; places that are left out are empty (A.1.5)."""
        values = self._elements[-1].setdefault("Value", [])
        number = int(attributes.get("number", len(values) + 1))
        self._budget -= number - len(values)
        if number <= len(values) or self._budget < 0:
            raise CannotUnderstand("values of the metadata are not numbered in their order")
        values += [None] * (number - len(values))
        values[-1] = value
