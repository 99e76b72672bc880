"""What parent and child say to one another: one JSON object a line, over the child's pipes.

The parent writes one request and keeps the pipe open; its end tells the child that the parent
is gone. The child answers with any number of ``progress`` and one last message.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

LARGEST_LINE = 4 * 1024 * 1024
SEG_FILE, SR_FILE, LOG_FILE = "seg.dcm", "sr.dcm", "child.log"

Kind = Literal["progress", "result", "refused", "memory", "crash"]
KINDS: tuple[Kind, ...] = ("progress", "result", "refused", "memory", "crash")


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """What the child has to know."""

    model: str
    bundle_folders: list[str]
    instance_paths: list[str]
    results: dict[str, Any]
    work_dir: str

    def encode(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "ChildRequest":
        """From the line that :meth:`encode` made."""
        return cls(**json.loads(line))

    def path(self, name: str) -> Path:
        """A file in the folder that is the child's own."""
        return Path(self.work_dir) / name


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the child's."""

    kind: Kind
    data: dict[str, Any]

    def encode(self) -> bytes:
        """One line."""
        return json.dumps({"kind": self.kind, "data": self.data}).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "Message":
        """ValueError for anything that is no message: the child's words are not trusted."""
        parsed = json.loads(line)
        if not isinstance(parsed, dict) or parsed.get("kind") not in KINDS:
            raise ValueError("not a message")
        data = parsed.get("data")
        if not isinstance(data, dict) or not _fits(parsed["kind"], data):
            raise ValueError("a message without its data")
        return cls(parsed["kind"], data)


def _fits(kind: Kind, data: dict[str, Any]) -> bool:
    if kind == "progress":
        percent, stage = data.get("percent"), data.get("stage")
        return isinstance(percent, int) and 0 <= percent <= 100 and isinstance(stage, str)
    if kind in ("refused", "crash"):
        return isinstance(data.get("reason"), str)
    return True
