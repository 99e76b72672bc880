"""Reads a data set in one pass, from its bytes to DICOM JSON members (PS3.5 7, PS3.18 Annex F).

The values of large elements are stepped over, never read: an object of gigabytes that is mapped
stays on disk. What this does not know raises Unusual, and :mod:`hounsfield.archive.fallback`
takes over; a test holds both equal.
"""

from struct import Struct
from struct import error as StructError

import orjson

from hounsfield.archive.collector import CHARACTER_SET, PIXEL_GROUP, Collector, Level
from hounsfield.archive.dicom_json import KEYS, Members, written_together
from hounsfield.archive.encoding import Encoding
from hounsfield.archive.errors import CannotUnderstand, TooLarge
from hounsfield.archive.fragments import (
    ITEM,
    ITEM_END,
    ITEM_HEADER,
    SEQUENCE_END,
    walk_fragments,
)
from hounsfield.archive.oddities import (
    FIRST_KEY,
    drop_file_meta,
    looks_explicit,
    skip_group_length,
    step_over,
)
from hounsfield.archive.recall import ONLY_SO_MANY, Recalled, recall, remember
from hounsfield.archive.scanned import (
    DEFAULT_LIMITS,
    UNDEFINED,
    Limits,
    Scanned,
    Unusual,
    beyond_end,
    tag_text,
)
from hounsfield.archive.vr import EXPLICIT, EXPLICIT_UN, IMPLICIT, Kind, implicit_kind, private_kind

_EXPLICIT = {order: Struct(order + "HH2sH").unpack_from for order in "<>"}
_IMPLICIT = {order: Struct(order + "HHI").unpack_from for order in "<>"}
_LENGTH = {order: Struct(order + "I").unpack_from for order in "<>"}
_HEAD_BYTES = 32 * 1024
"""Copied once, for bytes are quicker to slice than a view; most headers fit in."""
_LARGEST_UN = 0xFFFF
"""A longer UN is one because its VR could not carry the length (PS3.5 6.2.2)."""
_ITEMS_KEPT = 256


def scan(
    view: memoryview, start: int, encoding: Encoding, limits: Limits = DEFAULT_LIMITS
) -> Scanned:
    """Read the data set that begins at ``start``. Raises Unusual, CannotUnderstand, TooLarge."""
    scanner = Scanner(view, encoding, limits)
    level = Level({}, len(view), encoding.implicit)
    scanner.inline_end = start + limits.inline_bytes
    try:
        scanner.read(start, level)
    except StructError as error:
        raise Unusual("the data set ends inside an element") from error
    scanner.settle(level, None)
    scanner.scanned.members = level.members
    remember(scanner.kept)
    return scanner.scanned


class Scanner(Collector):
    """The walk over explicit and implicit VR, little and big endian."""

    def __init__(self, view: memoryview, encoding: Encoding, limits: Limits) -> None:
        super().__init__(view, encoding, limits)
        self.head = view[:_HEAD_BYTES].tobytes()
        self.budget = limits.elements
        self.inline_end = 0
        self.kept: list[Recalled] = []

    def read(self, pos: int, level: Level) -> int:  # noqa: PLR0912, PLR0915
        """Read one data set; the position behind it.

        This loop runs for every element of every instance that is stored: it is long because
        each call that it does not make counts.
        """
        view, head, order = self.view, self.head, self.order
        members, implicit, decode, end = level.members, level.implicit, level.decode, level.end
        kinds, known, keys = EXPLICIT, IMPLICIT, KEYS
        unpack = _IMPLICIT[order] if implicit else _EXPLICIT[order]
        unpack_length = _LENGTH[order]
        bound = min(end, self.inline_end, len(head))
        last, ordered, count = -1, True, 0
        # The VR of an implicit element may hang on others: only explicit ones can be recalled.
        plain = not (level.depth or implicit) and order == "<"
        before, kept = recall() if plain else iter(()), self.kept
        expected = next(before, None)
        for count in range(self.budget):  # noqa: B007 - counted into the budget below
            if pos >= end:
                break
            if expected is not None:
                encoded, tag, member, decoded_by = expected
                stop = pos + len(encoded)
                if (
                    head.startswith(encoded, pos)
                    and tag > last
                    and stop <= bound
                    and decoded_by is decode
                ):
                    members[keys[tag]] = member
                    kept.append(expected)
                    expected = next(before, None)
                    last, pos = tag, stop
                    continue
            first = pos
            if implicit:
                group, element, length = unpack(view, pos)
                tag = group << 16 | element
                kind = known.get(tag)
                if kind is None:
                    if group == 0xFFFE:
                        if level.undefined:
                            break
                        pos = step_over(view, tag, pos, end, order)
                        continue
                    kind = implicit_kind(tag, members)
                vr, _, limit, convert, empty, _, field = kind
                start = pos + 8
            else:
                group, element, code, length = unpack(view, pos)
                tag = group << 16 | element
                kind = kinds.get(code)
                if kind is None:
                    if group == 0xFFFE and level.undefined:
                        break
                    pos = step_over(view, tag, pos, end, order)
                    continue
                vr, long, limit, convert, empty, _, field = kind
                if long:
                    length = unpack_length(view, pos + 8)[0]
                    start = pos + 12
                else:
                    start = pos + 8
            if tag <= last:
                ordered = False
                if keys[tag] in members:
                    raise Unusual(f"element {tag_text(tag)} occurs twice")
            last = tag
            while expected is not None and expected[1] <= tag:
                expected = next(before, None)
            if length > limit or tag >= PIXEL_GROUP:
                pos = self._special(level, kind, tag, start, length)
                bound = min(end, self.inline_end, len(head))
                continue
            pos = start + length
            if not length:
                members[keys[tag]] = empty
                continue
            raw = head[start:pos] if pos <= bound else self._beyond_head(tag, start, pos, end)
            try:
                value = convert(raw, decode, order)
            except ValueError:
                self.place(level, kind, tag, start, length)
                continue
            member = empty if value is None else {"vr": vr, field: value}
            members[keys[tag]] = member
            if tag == CHARACTER_SET:
                self.change_character_set(level, value)
                decode = level.decode
            elif plain and pos <= bound and len(kept) < ONLY_SO_MANY:
                kept.append((head[first:pos], tag, member, decode))
        else:
            raise TooLarge("the data set has more elements than this archive reads")
        self.budget -= count
        if not ordered:
            in_order = sorted(members.items())
            members.clear()
            members.update(in_order)
        if next(iter(members), FIRST_KEY) < FIRST_KEY:
            drop_file_meta(members)
        return self._close(pos, level)

    def _special(self, level: Level, kind: Kind, tag: int, start: int, length: int) -> int:
        """What is not converted on the spot: sequences, large values, pixel data, explicit UN."""
        if not tag & 0xFFFF:
            return skip_group_length(self.view, tag, start, length, level.end, self.order)
        implicit = level.implicit
        if kind is EXPLICIT_UN and length < _LARGEST_UN:
            find = private_kind if tag & 0x10000 else implicit_kind
            kind = find(tag, level.members)
            implicit = kind.vr == "SQ" and not looks_explicit(self.view, start + 8)
        if kind.vr == "SQ":
            return self._sequence(level, tag, start, length, implicit)
        if length == UNDEFINED:
            return self._undefined(level, kind, tag, start)
        stop = start + length
        if stop > level.end:
            raise beyond_end(tag, length)
        if 0 < length <= kind.inline and tag < PIXEL_GROUP:
            self.place_inline(level, kind, tag, start, length)
        elif self.place(level, kind, tag, start, length):
            self.inline_end += length
        return stop

    def _undefined(self, level: Level, kind: Kind, tag: int, start: int) -> int:
        if kind.vr == "UN" and self.order == "<":
            return self._sequence(level, tag, start, UNDEFINED, True)  # PS3.5 6.2.2
        if kind.vr not in ("OB", "OW"):
            raise Unusual(f"{kind.vr} of undefined length")
        fragments = walk_fragments(self.view, start, level.end, self.order, self.limits)
        self.place_encapsulated(level, tag, "OB", start, fragments)
        self.inline_end += fragments.end - start
        return fragments.end

    def _sequence(self, level: Level, tag: int, pos: int, length: int, implicit: bool) -> int:
        stop = level.end if length == UNDEFINED else pos + length
        if stop > level.end:
            raise beyond_end(tag, length)
        if level.depth >= self.limits.depth:
            raise CannotUnderstand("sequences are nested deeper than this archive reads")
        key, unpack = KEYS[tag], ITEM_HEADER[self.order]
        level.members[key] = {"vr": "SQ"}
        items: list[Members | orjson.Fragment] = []
        count = 0
        while pos < stop:
            group, number, item_length = unpack(self.view, pos)
            if (delimiter := group << 16 | number) == SEQUENCE_END:
                pos = pos + 8 if length == UNDEFINED else stop
                break
            if delimiter != ITEM:
                raise Unusual("a sequence holds something else than items")
            undefined = item_length == UNDEFINED
            end = stop if undefined else pos + 8 + item_length
            if end > stop:
                raise beyond_end(tag, item_length)
            path = f"{level.path}{key}/{count}/"
            item = Level({}, end, implicit, level.decode, level.depth + 1, path, undefined)
            pos = self.read(pos + 8, item)
            if item.pending:
                self.settle(item, level)
            items.append(item.members)
            count += 1
            if not count % _ITEMS_KEPT and not level.depth and not level.pending:
                items = [*items[:-_ITEMS_KEPT], written_together(items[-_ITEMS_KEPT:])]
        else:
            if length == UNDEFINED:
                raise CannotUnderstand(f"sequence {tag_text(tag)} has no end: cut short")
        if items:
            level.members[key] = {"vr": "SQ", "Value": items}
        return pos

    def _close(self, pos: int, level: Level) -> int:
        """Behind the delimiter of an item of undefined length, or at the end."""
        if not level.undefined:
            if pos != level.end:
                raise CannotUnderstand("the elements of an item do not fill it")
            return pos
        group, element, _ = ITEM_HEADER[self.order](self.view, pos)
        return pos + 8 if group << 16 | element == ITEM_END else pos

    def _beyond_head(self, tag: int, start: int, stop: int, end: int) -> bytes:
        if stop > end:
            raise beyond_end(tag, stop - start)
        if stop > self.inline_end:
            raise TooLarge("the data set has larger attributes than this archive reads")
        return self.view[start:stop].tobytes()
