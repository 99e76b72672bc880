"""Run a MONAI bundle on a volume in memory, by its configuration (the parser route).

The runner hands the image over and takes the answer back itself; loading, saving, handlers and
the evaluator of the bundle are left out. The answer must come back on the very grid of the
DICOM series: shape and affine are compared, and nothing is resampled to make them fit.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from monai.bundle.config_parser import ConfigParser
from monai.data.meta_tensor import MetaTensor

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.bundle import Bundle, Weights
from hounsfield.inference.pixels import Report
from hounsfield.inference.volume import Labels, SourceVolume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
GRID_TOLERANCE_MM = 1e-3
SINGLE_NETWORK = "network"
"""Under this name a bundle registers the weights of its one network."""


def run_bundle(bundle: Bundle, source: SourceVolume, report: Report = lambda _: None) -> Labels:
    """The bundle's answer on the grid of the series."""
    parser = ConfigParser(config={**bundle.config, "device": torch.device("cpu")})
    network, loaded = _load(bundle, parser)
    report(0.15)
    preprocessing = parser.get_parsed_content("preprocessing")
    with torch.inference_mode():
        data = preprocessing({"image": _as_tensor(source)})
        report(0.2)
        data["pred"] = _infer(parser, loaded or network, data["image"])
        report(0.9)
        if "postprocessing" in bundle.config:
            data = parser.get_parsed_content("postprocessing")(data)
    report(1.0)
    return _as_labels(data["pred"], source, bundle)


def _load(bundle: Bundle, parser: ConfigParser) -> tuple[Any, Any]:
    """The network of the configuration with its weights, or the TorchScript that replaces it."""
    scripts = {w.name: _load_script(w) for w in bundle.weights if w.format == "torchscript"}
    parser["weights"] = scripts
    if SINGLE_NETWORK in scripts:
        return None, scripts[SINGLE_NETWORK].eval()
    network = parser.get_parsed_content("network_def").eval()
    for item in bundle.weights:
        if item.format == "safetensors":
            _fill(network, item)
    return network, None


def _load_script(weights: Weights) -> torch.jit.ScriptModule:
    load: Callable[..., torch.jit.ScriptModule] = torch.jit.load
    return load(io.BytesIO(weights.read()), map_location="cpu")


def _fill(network: torch.nn.Module, weights: Weights) -> None:
    from safetensors.torch import load  # noqa: PLC0415 (only bundles that have such weights)

    network.load_state_dict(load(weights.read()))


def _as_tensor(source: SourceVolume) -> MetaTensor:
    """Channel first, with the affine as MONAI has it (RAS+; DICOM's patient axes are LPS+)."""
    affine = torch.from_numpy(_ras_affine(source))
    array = torch.from_numpy(source.volume.array[None])
    return MetaTensor(array, affine=affine, meta={"space": "RAS"})


def _ras_affine(source: SourceVolume) -> npt.NDArray[np.float64]:
    return np.asarray(LPS_TO_RAS @ source.volume.affine, dtype=np.float64)


def _infer(parser: ConfigParser, network: Callable[..., Any], image: MetaTensor) -> MetaTensor:
    """The network sees a plain tensor; what was done to the image is noted on its answer."""
    inferer = parser.get_parsed_content("inferer")
    answer = inferer(image.as_tensor()[None], network)
    if not isinstance(answer, torch.Tensor) or answer.shape[0] != 1:
        raise CannotAnalyse("The model's answer is no image.")
    return MetaTensor(
        answer[0],
        meta=dict(image.meta),
        applied_operations=list(image.applied_operations),
    )


def _as_labels(pred: MetaTensor, source: SourceVolume, bundle: Bundle) -> Labels:
    grid = tuple(source.volume.spatial_shape)
    if tuple(pred.shape[1:]) != grid:
        raise RuntimeError(f"The model answered on a grid of {tuple(pred.shape[1:])}, not {grid}")
    if np.abs(np.asarray(pred.affine) - _ras_affine(source)).max() > GRID_TOLERANCE_MM:
        raise RuntimeError("The model's answer lies elsewhere in the patient than the series")
    values = pred.as_tensor().numpy()
    if len(values) == 1:
        return _checked(values[0], len(bundle.segments))
    if len(values) != len(bundle.segments):
        raise RuntimeError(f"The model gave {len(values)} channels for {len(bundle.segments)}")
    return _checked(np.moveaxis(values, 0, -1), 1)


def _checked(values: npt.NDArray[Any], largest: int) -> Labels:
    labels = np.ascontiguousarray(values.astype(np.uint8))
    if not np.array_equal(labels, values) or labels.max(initial=0) > largest:
        raise RuntimeError(f"The model's answer holds other values than 0 to {largest}")
    return labels
