"""How a run ended, in a sentence for people; and whether a result is what was asked for."""

import signal
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.uid import UID, Comprehensive3DSRStorage, SegmentationStorage

from hounsfield.inference.errors import ChildFailed
from hounsfield.inference.messages import Message

GIB = 1024**3
TAIL_BYTES = 8192
SIGKILL = 9
"""Which Windows does not name."""
MEMORY_WORDS = (b"bad_alloc", b"Cannot allocate memory", b"MemoryError", b"can't allocate memory")


def too_slow(seconds: float) -> ChildFailed:
    """Over the time limit."""
    spoken = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    return ChildFailed(f"The model took longer than {spoken} and was stopped.", "time")


def out_of_memory(memory_bytes: int) -> ChildFailed:
    """Over the memory limit."""
    return ChildFailed(
        f"The model needed more memory than the {memory_bytes / GIB:.1f} GiB it may use, and was "
        "stopped.",
        "memory",
    )


def killed(exit_code: int | None, log: Path, memory_bytes: int) -> ChildFailed:
    """The child ended, or stopped making sense, without a last word."""
    if any(word in _tail(log) for word in MEMORY_WORDS):
        return out_of_memory(memory_bytes)
    if exit_code is None:
        return ChildFailed("The model's process stopped answering.", "crash")
    if exit_code == -SIGKILL:
        return ChildFailed(
            "The system ended the model's process, most likely because memory ran out.", "memory"
        )
    if exit_code < 0:
        return ChildFailed(f"The model's process crashed ({_signal_name(-exit_code)}).", "crash")
    return ChildFailed(f"The model's process ended without a result ({exit_code}).", "crash")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return file.read()
    except OSError:
        return b""


def verified(
    message: Message, seg: Path, sr: Path, results: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Measurements and notes, once both files turned out to be the allocated objects."""
    try:
        _check_file(seg, SegmentationStorage, results["seg"])
        _check_file(sr, Comprehensive3DSRStorage, results["sr"])
        measurements = [
            {"name": str(m["name"]), "value": float(m["value"]), "unit": str(m["unit"])}
            for m in message.data["measurements"]
        ]
        return measurements, [str(note) for note in message.data["notes"]]
    except Exception as error:  # the files and the message are the child's
        raise ChildFailed(f"The model's result is not usable ({error}).", "garbage") from error


def _check_file(path: Path, sop_class: UID, names: dict[str, str]) -> None:
    data = dcmread(path, stop_before_pixels=True)
    found = (data.SOPClassUID, data.SeriesInstanceUID, data.SOPInstanceUID)
    if found != (sop_class, names["series_instance_uid"], names["sop_instance_uid"]):
        raise ValueError(f"{path.name} is another object than the one asked for")
