"""Planes that make a volume, and the reasons why others do not."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.errors import MissingSlices
from hounsfield.inference.geometry import Plane, as_stack

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def _planes(heights: list[float], drift: float = 0.0) -> list[Plane]:
    return [
        Plane((10.0, height * drift - 5, height), AXIAL, (0.8, 0.8), 64, 48) for height in heights
    ]


@given(st.permutations(range(8)), st.floats(0.3, 8), st.floats(-500, 500))
def test_the_order_comes_from_geometry_whatever_order_the_images_arrive_in(
    order: list[int], spacing: float, start: float
) -> None:
    stack = as_stack(_planes([start + index * spacing for index in order]))
    assert [order[index] for index in stack.order] == list(range(7, -1, -1))
    assert stack.slice_spacing == pytest.approx(spacing)


@given(st.integers(3, 40), st.floats(0.5, 5), st.data())
def test_missing_slices_are_counted_and_located(
    count: int, spacing: float, data: st.DataObject
) -> None:
    gone = data.draw(st.integers(1, count - 1).filter(lambda index: index < count))
    heights = [index * spacing for index in range(count + 1) if index != gone]
    with pytest.raises(MissingSlices, match="1 slice missing"):
        as_stack(_planes([*heights, (count + 1) * spacing, (count + 2) * spacing]))


def test_a_missing_slice_may_still_come_but_an_uneven_stack_stays_uneven() -> None:
    with pytest.raises(CannotAnalyse, match="uneven") as caught:
        as_stack(_planes([0, 1, 2.4, 3.4, 5]))
    assert not isinstance(caught.value, MissingSlices)


def test_positions_rounded_to_two_decimals_are_even() -> None:
    heights = [round(index * 0.7 / 1.003, 2) for index in range(200)]
    assert as_stack(_planes(heights)).slice_spacing == pytest.approx(0.698, abs=0.001)


def test_gantry_tilt_is_named_with_its_angle() -> None:
    heights = [float(height) for height in range(20)]
    with pytest.raises(CannotAnalyse, match=r"12\.0 degrees of gantry tilt"):
        as_stack(_planes(heights, drift=math.tan(math.radians(12))))


def test_a_drift_of_a_whole_pixel_is_refused_even_at_a_small_angle() -> None:
    with pytest.raises(CannotAnalyse, match="tilt or shear"):
        as_stack(_planes([float(height) for height in range(200)], drift=0.005))


@pytest.mark.parametrize(
    ("planes", "reason"),
    [
        ([], "no image"),
        (_planes([0, 1, 1, 2]), "share their position"),
        ([*_planes([0, 1]), replace(_planes([2])[0], rows=32)], "matrix size"),
        (
            [*_planes([0, 1]), replace(_planes([2])[0], orientation=(0, 1, 0, 0, 0, -1))],
            "same orientation",
        ),
        (_planes([0, math.nan]), "not numbers"),
        ([replace(_planes([0])[0], orientation=(0.0,) * 6)] * 3, "orientation"),
        (_planes([0, 1, 2]), "3 slices; the model needs at least 5"),
    ],
)
def test_what_is_no_volume_is_refused_with_its_reason(planes: list[Plane], reason: str) -> None:
    with pytest.raises(CannotAnalyse, match=reason):
        as_stack(planes, minimum_slices=5 if "at least" in reason else 2)
