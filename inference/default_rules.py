"""The rules of the embedded models.

The brain mask was trained on T1-weighted MR of the whole head. Devices say that in many ways:
by the name that a person gave the protocol, by a coded contrast, or by the physics alone.
"""

from hounsfield.inference.rules import (
    Absent,
    Between,
    Both,
    Either,
    Neither,
    OneOf,
    Requirement,
    Rule,
    Says,
)

NAMES = ("SeriesDescription", "ProtocolName", "SequenceName")
PLACES = ("StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription")

LOCALIZER = r"\baa(head|hscout)|locali[sz]|scout|survey|^\W*(3.?p\w*\W*)?loc(?![a-z])"
NO_ANATOMY = (
    r"(?<![a-z])(dwi|dti|adc|trace|tracew|fa|bold|fmri|asl|swi|swan|tof|mra|mrv|angio|perf\w*|dsc|dce|"
    r"mip|minip|cbf|cbv|spectro\w*|svs|csi|field.?map\w*|phase|mag)(?![a-z])|diff|t1.?(map|rho)|t2.?map"
)
T1_NAME = r"(?<![a-ce-z])t1(?!\d)|mp2?rage|spgr|bravo|(?<![a-z])(tfl|tfl3d\w*)(?![a-z])"
OTHER_WEIGHTING = (
    r"(?<![a-z])t2(?!\d)|flair|(?<![a-z])(pd|pdw|stir|tirm|ciss|fiesta|haste)(?![a-z])"
)
HEAD = (
    r"head|brain|cereb|crani|neuro|schaedel|schädel|kopf|gehirn|tete|tête|cabeza|encef|"
    r"mp2?rage|(?<![a-z])(anat|skull|dementia|epilep\w*|stroke|hippocamp\w*)(?![a-z])"
)
DERIVED = frozenset(
    {"LOCALIZER", "P", "PHASE", "ADC", "FA", "DIFFUSION", "TRACEW", "PERFUSION", "MIP", "MINIP"}
    | {"PROJECTION IMAGE", "T1 MAP", "T2 MAP", "T2", "T2_STAR", "FLOW_ENCODED", "MOTION"}
)

HEAD_BY_PART = Says(("BodyPartExamined",), "head|brain|skull|cerebr|crani")
HEAD_BY_NAME = Both((Absent("BodyPartExamined"), Says(PLACES, HEAD)))

T1_BY_NAME = Says(NAMES, T1_NAME)
T1_BY_CODE = Either(
    (OneOf("AcquisitionContrast", frozenset({"T1"})), OneOf("ImageType", frozenset({"T1"})))
)
SPIN_ECHO = OneOf("ScanningSequence", frozenset({"SE"}))
T1_BY_PHYSICS = Both(
    (
        Neither((Says(NAMES, OTHER_WEIGHTING),)),
        Either(
            (
                Both((Between("RepetitionTime", 1, 900), Between("EchoTime", 0.1, 10))),
                Both((Between("RepetitionTime", 1, 900), SPIN_ECHO, Between("EchoTime", 0.1, 25))),
                Both((Between("InversionTime", 400, 1400), Between("EchoTime", 0.1, 10))),
            )
        ),
    )
)
"""Short TR and TE, or an inversion before a gradient echo (MPRAGE and its like)."""

BRAIN_MASK = Rule(
    model="brain_mask",
    requirements=(
        Requirement(
            OneOf("Modality", frozenset({"MR"})),
            "It is a series of modality {Modality}; the model reads MR of the head.",
        ),
        Requirement(
            Neither((Says(NAMES, LOCALIZER), OneOf("ImageType", frozenset({"LOCALIZER"})))),
            "It is a localizer ({SeriesDescription}).",
        ),
        Requirement(
            Either((HEAD_BY_PART, HEAD_BY_NAME)),
            "Nothing says that it shows the head (body part: {BodyPartExamined}; "
            "description: {SeriesDescription}).",
        ),
        Requirement(
            Neither((Says(NAMES, NO_ANATOMY), OneOf("ImageType", DERIVED))),
            "It is no plain anatomical image ({SeriesDescription}; image type {ImageType}).",
        ),
        Requirement(
            Either((T1_BY_NAME, T1_BY_CODE, T1_BY_PHYSICS)),
            "Nothing says that it is T1-weighted (description: {SeriesDescription}; "
            "TR {RepetitionTime}, TE {EchoTime}).",
        ),
    ),
)

DEFAULT_RULES = (BRAIN_MASK,)
