"""Trigrams: what lets a search for letters in the middle of a value use an index.

The same three-letter pieces are made here, from the letters of a pattern, and in PostgreSQL by the
function ``trigrams`` (first migration), from the values. A row that matches the pattern has all
of the pattern's; LIKE then decides. Capitals of ASCII are small in them, so that a search with and
one without regard to case use one index.
"""

import re
import string

LENGTH = 3
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_LITERAL = re.compile(r"(?:[^\\%_]|\\.)+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def trigrams_of(pattern: str) -> list[str]:
    """The trigrams that every match of a LIKE pattern has; none where its runs are too short."""
    found: dict[str, None] = {}
    for run in _LITERAL.findall(pattern):
        letters = _ESCAPED.sub(r"\1", run).translate(_SMALL)
        found.update((letters[n : n + LENGTH], None) for n in range(len(letters) - LENGTH + 1))
    return list(found)
