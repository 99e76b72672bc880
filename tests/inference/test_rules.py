"""Rules: what a T1-like head series is, and a reason that a person understands for the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.inference.default_rules import DEFAULT_RULES
from hounsfield.inference.rules import Decision, decide
from hounsfield.inference.series import KEYWORDS, attributes_of


def judged(is_own_result: bool = False, **attributes: Any) -> Decision:
    as_text = {
        keyword: tuple(str(item) for item in (value if isinstance(value, list) else [value]))
        for keyword, value in attributes.items()
    }
    return decide(as_text, DEFAULT_RULES, is_own_result=is_own_result)


HEAD = {"Modality": "MR", "BodyPartExamined": "HEAD"}


@pytest.mark.parametrize(
    "attributes",
    [
        HEAD | {"SeriesDescription": "T1 MPRAGE axial"},
        HEAD | {"SeriesDescription": "3DT1w sag"},
        HEAD | {"SeriesDescription": "Ax T1 FLAIR +C"},
        HEAD | {"SeriesDescription": "SAG FSPGR BRAVO"},
        HEAD | {"SeriesDescription": "", "SequenceName": "*tfl3d1_16ns"},
        HEAD | {"ImageType": ["ORIGINAL", "PRIMARY", "T1", "NONE"]},
        HEAD | {"RepetitionTime": 500, "EchoTime": 12, "ScanningSequence": "SE"},
        HEAD | {"RepetitionTime": 2300, "EchoTime": 2.98, "InversionTime": 900},
        {"Modality": "MR", "SeriesDescription": "anat-T1w"},
        {"Modality": "MR", "StudyDescription": "MRT Schädel", "SeriesDescription": "t1_tse_sag"},
        {"Modality": "mr", "BodyPartExamined": "Brain", "SeriesDescription": "t1_se_tra"},
    ],
)
def test_a_t1_like_head_series_is_picked_however_its_device_says_so(
    attributes: dict[str, Any],
) -> None:
    decision = judged(**attributes)
    assert decision.rule is not None, decision.reason
    assert decision.rule.model == "brain_mask"


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"Modality": "CT", "SeriesDescription": "Head"}, "modality CT"),
        ({}, "modality not given"),
        (HEAD | {"SeriesDescription": "AAHead_Scout"}, "localizer (AAHead_Scout)"),
        (HEAD | {"SeriesDescription": "3 Plane Loc T1"}, "localizer"),
        (HEAD | {"SeriesDescription": "T1", "ImageType": ["ORIGINAL", "LOCALIZER"]}, "localizer"),
        (HEAD | {"BodyPartExamined": "KNEE", "SeriesDescription": "t1 sag"}, "body part: KNEE"),
        ({"Modality": "MR", "ProtocolName": "t1sagknee"}, "the head (body part: not given"),
        (HEAD | {"SeriesDescription": "T2 TSE tra"}, "T1-weighted (description: T2 TSE tra"),
        (HEAD | {"SeriesDescription": "FLAIR", "RepetitionTime": 9000, "EchoTime": 90}, "TR 9000"),
        (HEAD | {"SeriesDescription": "T2* GRE", "RepetitionTime": 600, "EchoTime": 9}, "T1-w"),
        (HEAD | {"SeriesDescription": "TOF_3D", "RepetitionTime": 22, "EchoTime": 4}, "anatomical"),
        (HEAD | {"SeriesDescription": "DWI b1000"}, "no plain anatomical image (DWI b1000"),
        (HEAD | {"SeriesDescription": "T1 map"}, "no plain anatomical image"),
        (HEAD | {"SeriesDescription": "T1 swi", "ImageType": ["ORIGINAL", "P"]}, "image type"),
        ({"Modality": "SEG", "SeriesDescription": "T1 brain"}, "holds results (SEG), not images"),
        ({"Modality": "SR"}, "holds results (SR)"),
    ],
)
def test_what_is_not_picked_has_a_reason_in_plain_words(
    attributes: dict[str, Any], reason: str
) -> None:
    decision = judged(**attributes)
    assert decision.rule is None
    assert reason in decision.reason
    assert "{" not in decision.reason


def test_what_we_made_ourselves_is_never_picked() -> None:
    decision = judged(is_own_result=True, **HEAD, SeriesDescription="T1 MPRAGE")
    assert decision.rule is None
    assert "not analysed again" in decision.reason


@given(
    st.dictionaries(
        st.sampled_from(KEYWORDS), st.lists(st.text(max_size=80), max_size=3).map(tuple)
    )
)
def test_whatever_a_device_writes_there_is_an_answer(
    attributes: dict[str, tuple[str, ...]],
) -> None:
    decision = decide(attributes, DEFAULT_RULES, is_own_result=False)
    assert (decision.rule is None) == bool(decision.reason)


json_values = st.one_of(st.none(), st.text(max_size=8), st.integers(), st.floats(), st.booleans())


@given(st.lists(json_values, max_size=4))
def test_attributes_are_text_without_the_empty_ones(values: list[Any]) -> None:
    found = attributes_of({"00080060": {"vr": "CS", "Value": values}, "0008103E": {"vr": "LO"}})
    kept = [value for value in values if value not in (None, "")]
    assert found == ({"Modality": tuple(str(value) for value in kept)} if kept else {})
