"""One small demo study for all tests of this folder, and names for results."""

from pathlib import Path

import pytest

from hounsfield.inference.bundle import Bundle
from hounsfield.inference.registry import Registry
from hounsfield.inference.runner import Limits
from hounsfield.server.demo.phantom import DemoUnavailable
from hounsfield.server.demo.study import DemoStudy, make_demo_study

GIB = 1024**3


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoStudy:
    """The demo head at 2 mm: 100 slices."""
    try:
        return make_demo_study(tmp_path_factory.mktemp("demo"), voxel_mm=2, fixed_uids=True)
    except DemoUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def demo_paths(demo: DemoStudy) -> tuple[str, ...]:
    """Its files, in an order that is not the one of the slices."""
    paths = [str(path) for path in demo.files]
    return (*paths[1::2], *reversed(paths[::2]))


@pytest.fixture(scope="session")
def brain_mask() -> Bundle:
    """The default model; skipped where its weights are not installed."""
    registry = Registry()
    if "is not installed" in registry.refused().get("brain_mask", ""):
        pytest.skip("needs the [ai] extra and deepbet")
    return registry.bundle("brain_mask")


@pytest.fixture
def limits(tmp_path: Path) -> Limits:
    """Enough for any model of these tests."""
    return Limits(seconds=300, memory_bytes=8 * GIB)
