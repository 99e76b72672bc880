"""What a file of a bundle really is, by its bytes: a pickle is found under any name.

Nothing is loaded to find out. safetensors holds tensors alone; TorchScript holds pickles too,
which its own restricted reader opens, and only with a registered digest.
"""

import io
import zipfile
from pathlib import Path

from hounsfield.inference.bundle import Weights
from hounsfield.inference.errors import BundleRefused

PICKLE_SUFFIXES = {".pkl", ".pickle", ".pt", ".pth", ".ts", ".ckpt", ".bin", ".joblib", ".npy"}
PICKLE_START = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))


def refuse_pickle(path: Path) -> None:
    """By its name, by its first bytes, or as the zip that torch.save writes."""
    with path.open("rb") as file:
        start = file.read(2)
    pickled = path.suffix.lower() in PICKLE_SUFFIXES or start in PICKLE_START
    if not pickled and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            pickled = any(name.endswith(".pkl") for name in archive.namelist())
    if pickled:
        raise BundleRefused(f"it holds a pickle that is not registered: {path.name}")


def check_format(weights: Weights) -> None:
    """The bytes must be what the register calls them, whatever the file is named."""
    data = weights.read()
    if weights.format == "safetensors":
        good = data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data)
    else:
        good = _is_torchscript(data)
    if not good:
        raise BundleRefused(f"the weights '{weights.name}' are not {weights.format}")


def _is_torchscript(data: bytes) -> bool:
    """A zip with code beside its tensors; what torch.save writes has none (a plain pickle)."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return False
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    return any("/code/" in name for name in names) and any(
        name.endswith("/constants.pkl") for name in names
    )
