"""The model's answer as a Segmentation (PS3.3 A.51): BINARY, one segment for each finding.

BINARY is what every PACS and viewer reads. The frames carry the position of the slice they lie
on and refer to it, so a viewer lays them over the source without resampling.
"""

import numpy as np
import numpy.typing as npt
from highdicom import AlgorithmIdentificationSequence, ChannelDescriptor, Volume
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from hounsfield.inference.bundle import Segment
from hounsfield.inference.made import Making, as_sr_code, series_number, settle
from hounsfield.inference.volume import Labels, SourceVolume

SERIES_OFFSET = 1


def make_seg(making: Making, header: Dataset, source: SourceVolume, labels: Labels) -> Segmentation:
    """The SEG of these labels; ``header`` gives the patient and study attributes.

    Frames without a finding are left out, as is usual, unless nothing was found at all.
    """
    names = making.names.seg
    seg = Segmentation(
        source_images=[header, *source.datasets[1:]],
        pixel_array=_on_planes(source, labels, len(making.bundle.segments)),
        segmentation_type="BINARY",
        segment_descriptions=[_describe(making, item) for item in making.bundle.segments],
        series_instance_uid=names.series_instance_uid,
        sop_instance_uid=names.sop_instance_uid,
        content_label="SEGMENTATION",
        content_description=making.bundle.title,
        **making.common("SEG", series_number(header, SERIES_OFFSET)),
    )
    settle(seg, making.names)
    return seg


def _on_planes(
    source: SourceVolume, labels: Labels, segments: int
) -> npt.NDArray[np.uint8] | Volume:
    """An array takes the planes of the source's data sets as they are; frames need a volume."""
    if not source.is_multi_frame:
        return labels
    if labels.ndim == 3:
        return source.volume.with_array(labels)
    numbers = list(range(1, segments + 1))
    return source.volume.with_array(labels, {ChannelDescriptor("SegmentNumber"): numbers})


def _describe(making: Making, segment: Segment) -> SegmentDescription:
    """One item of the Segment Sequence (PS3.3 C.8.20.4), traceable to the model's bytes."""
    bundle = making.bundle
    return SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label,
        segmented_property_category=as_sr_code(segment.category),
        segmented_property_type=as_sr_code(segment.type),
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=bundle.title,
            family=codes.DCM.ArtificialIntelligence,
            version=bundle.version,
            source=bundle.authors[:64],
            parameters={"SHA-256": bundle.digest},
        ),
        tracking_uid=making.names.tracking_uid_of(segment.number),
        tracking_id=segment.label,
        display_color=CIELabColor.from_rgb(*segment.colour),
    )
