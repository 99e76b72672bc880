"""The inline scripts of a page, by their hashes (CSP Level 3, 6.7.3.3): no other one may run."""

import base64
import hashlib
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path


def script_hashes(page: Path) -> tuple[str, ...]:
    """The sources of a Content Security Policy that let this page's own inline scripts run."""
    return _hashes(page, page.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _hashes(page: Path, _mtime: int) -> tuple[str, ...]:
    reader = _Scripts()
    reader.feed(page.read_text("utf-8"))
    reader.close()
    return tuple(dict.fromkeys(_source(script) for script in reader.found))


def _source(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


class _Scripts(HTMLParser):
    """Collects the text of every ``<script>`` that has no ``src``."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._parts: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A script begins."""
        if tag == "script" and "src" not in dict(attrs):
            self._parts = []

    def handle_endtag(self, tag: str) -> None:
        """It ends."""
        if tag == "script" and self._parts is not None:
            self.found.append("".join(self._parts))
            self._parts = None

    def handle_data(self, data: str) -> None:
        """Its text; the parser gives it unchanged."""
        if self._parts is not None:
            self._parts.append(data)
