"""SEG and SR of one run, written to files, and what they say in short."""

from pathlib import Path
from typing import Any

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.bundle import Bundle
from hounsfield.inference.made import Making
from hounsfield.inference.normalise import inheritable
from hounsfield.inference.pixels import Report
from hounsfield.inference.seg import make_seg
from hounsfield.inference.sr import make_sr, measure
from hounsfield.inference.uids import ResultNames
from hounsfield.inference.volume import Labels, SourceVolume


def write_results(
    bundle: Bundle,
    names: ResultNames,
    source: SourceVolume,
    labels: Labels,
    files: tuple[Path, Path],
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """Write both objects; measurements and notes come back as JSON."""
    making = Making(bundle, names)
    header, notes = inheritable(source.datasets[0])
    volumes = measure(bundle.segments, source, labels)
    seg_path, sr_path = files
    try:
        seg = make_seg(making, header, source, labels)
        seg.save_as(seg_path, enforce_file_format=True)
        report(0.6)
        make_sr(making, header, source, seg, volumes).save_as(sr_path, enforce_file_format=True)
        report(1.0)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise CannotAnalyse(
            f"The result cannot be written as DICOM: the attributes of the images forbid it "
            f"({error})."
        ) from error
    return {
        "measurements": [
            {"name": f"{v.segment.label} volume", "value": v.millilitres, "unit": "ml"}
            for v in volumes
        ],
        "notes": notes,
    }
