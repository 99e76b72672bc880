"""The volumes of the segments as a TID 1500 report (PS3.16), Comprehensive 3D SR (PS3.3 A.35.13).

One TID 1411 group for each segment: tracked under the same UID as in the SEG, the segment and
its source series referenced, the algorithm named. The report is COMPLETE and UNVERIFIED.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as SRCode

from hounsfield.inference.bundle import Segment
from hounsfield.inference.made import MANUFACTURER, Making, as_sr_code, series_number, settle
from hounsfield.inference.volume import Labels, SourceVolume

SERIES_OFFSET = 2
MILLILITRE = SRCode("ml", "UCUM", "ml")
VOLUMETRY = codes.DCM.SumOfSegmentedVoxelMethodForVolume


@dataclass(frozen=True, slots=True)
class SegmentVolume:
    """How much of the patient one segment takes."""

    segment: Segment
    millilitres: float


def measure(
    segments: Sequence[Segment], source: SourceVolume, labels: Labels
) -> list[SegmentVolume]:
    """Voxels of each segment times the volume of one."""
    voxel_ml = float(np.prod(source.volume.spacing)) / 1000
    counts = [
        int(np.count_nonzero(labels == segment.number))
        if labels.ndim == 3
        else int(np.count_nonzero(labels[..., segment.number - 1]))
        for segment in segments
    ]
    return [
        SegmentVolume(segment, round(count * voxel_ml, 3))
        for segment, count in zip(segments, counts, strict=True)
    ]


def make_sr(
    making: Making,
    header: Dataset,
    source: SourceVolume,
    seg: Dataset,
    volumes: Sequence[SegmentVolume],
) -> Comprehensive3DSR:
    """The report of these volumes, with the SEG and the source series as its evidence."""
    names = making.names.sr
    report = MeasurementReport(
        observation_context=_observer(making),
        procedure_reported=SRCode("25056-3", "LN", "MRI unspecified body region"),
        imaging_measurements=[_group(making, header, seg, volume) for volume in volumes],
        title=codes.DCM.ImagingMeasurementReport,
    )
    sr = Comprehensive3DSR(
        evidence=[header, *source.datasets[1:], seg],
        content=report[0],
        series_instance_uid=names.series_instance_uid,
        sop_instance_uid=names.sop_instance_uid,
        is_complete=True,
        is_final=False,
        is_verified=False,
        **making.common("measurements", series_number(header, SERIES_OFFSET)),
    )
    settle(sr, making.names)
    return sr


def _observer(making: Making) -> ObservationContext:
    """A device observed, and not a person (TID 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=making.device_uid,
        name=making.bundle.title,
        manufacturer_name=MANUFACTURER,
        model_name=f"{making.bundle.title} {making.bundle.version}",
        serial_number=making.bundle.digest,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _group(
    making: Making, header: Dataset, seg: Dataset, volume: SegmentVolume
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411: one segment, and its volume."""
    segment = volume.segment
    site = CodedConcept.from_code(as_sr_code(segment.type))
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=making.names.tracking_uid_of(segment.number), identifier=segment.label
        ),
        referenced_segment=ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=segment.number,
            source_series=SourceSeriesForSegmentation(header.SeriesInstanceUID),
        ),
        finding_category=as_sr_code(segment.category),
        finding_type=as_sr_code(segment.type),
        finding_sites=[FindingSite(anatomic_location=site)],
        algorithm_id=_algorithm(making),
        measurements=[
            Measurement(
                name=codes.SCT.Volume,
                value=volume.millilitres,
                unit=MILLILITRE,
                method=VOLUMETRY,
            )
        ],
    )


def _algorithm(making: Making) -> AlgorithmIdentification:
    """Name, version and digest (TID 4019)."""
    return AlgorithmIdentification(
        name=making.bundle.title,
        version=making.bundle.version,
        parameters=[f"SHA-256={making.bundle.digest}"],
        family=codes.DCM.ArtificialIntelligence,
        manufacturer=making.bundle.authors[:64],
    )
