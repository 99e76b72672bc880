"""Where the built front ends lie: beside the rooms in a checkout, inside the wheel elsewhere."""

import importlib.util
from pathlib import Path

PACKAGE = "hounsfield.viewer"
CHECKOUT = Path(__file__).resolve().parent.parent / "viewer"


def viewer_folder() -> Path:
    """The folder with ``web`` and ``ohif`` in it; it may not be there yet."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return CHECKOUT / "build"
    return Path(next(iter(spec.submodule_search_locations))) / "build"
