"""A modality for the demo: sends files by C-STORE over one association (PS3.4 B)."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE

from hounsfield.db.errors import CannotStart


def send(
    files: Sequence[Path], host: str, port: int, ae_title: str, sent: Callable[[], None]
) -> float:
    """Send every file, calling ``sent`` after each; the time of the last answer (monotonic)."""
    first = dcmread(files[0], stop_before_pixels=True)
    ae = AE("DEMO")
    ae.add_requested_context(first.SOPClassUID, first.file_meta.TransferSyntaxUID)
    association = ae.associate(host, port, ae_title=ae_title)
    if not association.is_established:
        raise CannotStart(f"{ae_title} on {host}, port {port}, takes no association.")
    try:
        for number, path in enumerate(files, 1):
            _require_success(association.send_c_store(dcmread(path), msg_id=number), path)
            sent()
        return time.monotonic()
    finally:
        association.release()


def _require_success(answer: Dataset, path: Path) -> None:
    status = answer.get("Status")
    if status != 0x0000:
        said = "no answer" if status is None else f"status {status:04X}H"
        raise CannotStart(f"{path.name} was not stored: {said}.")
