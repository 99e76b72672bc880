"""A structured report as a page and as text (PS3.18 8.7.4): every content item, escaped."""

from collections.abc import Iterator
from html import escape

from hounsfield.archive.structured_report import Line, StructuredReport

CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
MARKS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks that could make a value read backwards."""


def as_page(report: StructuredReport) -> str:
    """An HTML document without a script, a style or a link."""
    title = _html(report.title or "Structured report")
    facts = "".join(f"<dt>{_html(k)}</dt><dd>{_html(v)}</dd>" for k, v in _facts(report) if v)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"</head><body><h1>{title}</h1><dl>{facts}</dl>"
        f"{''.join(_measurements(report))}{''.join(_tree(report.lines))}</body></html>\n"
    )


def as_text(report: StructuredReport) -> str:
    """The same as lines of text, indented by depth."""
    head = [report.title or "Structured report", *(f"{k}: {v}" for k, v in _facts(report) if v)]
    body = (
        "  " * line.depth + ": ".join(part for part in (line.concept, line.value) if part)
        for line in report.lines
    )
    return "".join(f"{_clean(line)}\n" for line in (*head, "", *body))


def _facts(report: StructuredReport) -> list[tuple[str, str]]:
    return [
        ("Completion", report.completion_flag),
        ("Verification", report.verification_flag),
        ("Date", f"{report.content_date} {report.content_time}".strip()),
        ("Device", report.device),
    ]


def _measurements(report: StructuredReport) -> Iterator[str]:
    if not report.measurements:
        return
    names = ("Of", "Measurement", "Value", "Unit", "Method")
    yield "<h2>Measurements</h2><table><thead><tr>"
    yield "".join(f'<th scope="col">{name}</th>' for name in names)
    yield "</tr></thead><tbody>"
    for one in report.measurements:
        value = "" if one.value is None else f"{one.value:.15g}"
        cells = (one.group, one.name, value, one.unit, one.method)
        yield f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in cells)}</tr>"
    yield "</tbody></table>"


def _tree(lines: list[Line]) -> Iterator[str]:
    """Lists within lists, as deep as the items are."""
    depth = -1
    yield "<h2>Content</h2>"
    for line in lines:
        if line.depth > depth:
            yield "<ul>"
        else:
            yield "</li>" + "</ul></li>" * (depth - line.depth)
        depth = line.depth
        said = f": {_html(line.value)}" if line.concept and line.value else _html(line.value)
        yield f"<li>{_html(line.concept)}{said}"
    yield "</li></ul>" * (depth + 1)


def _html(text: str) -> str:
    return escape(_clean(text))


def _clean(text: str) -> str:
    return text.translate(CONTROLS | dict.fromkeys(MARKS))
