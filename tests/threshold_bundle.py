"""A bundle of the ordinary kind, whose answer is known: bright is 1, the rest is 0.

One convolution of width one, safetensors, resampling, sliding windows, argmax and Invertd: the
way that most bundles of the MONAI model zoo go.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from hounsfield.inference.bundle import Weights
from hounsfield.inference.registry import bundle_digest

THRESHOLD = 400.0
BRAIN = {
    "label": "Bright",
    "category": ["85756007", "SCT", "Tissue"],
    "type": ["85756007", "SCT", "Tissue"],
    "colour": [200, 200, 0],
}


def make_threshold_bundle(folder: Path, preprocessing: list[dict[str, Any]]) -> Path:
    """A folder of bundles that registers this one as ``threshold``."""
    bundle = folder / "threshold"
    (bundle / "configs").mkdir(parents=True)
    (bundle / "models").mkdir()
    state = {"weight": torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1, 1)}
    data = save(state | {"bias": torch.tensor([0.0, -THRESHOLD])})
    (bundle / "models" / "model.safetensors").write_bytes(data)
    (bundle / "configs" / "inference.json").write_text(json.dumps(_inference(preprocessing)))
    (bundle / "configs" / "metadata.json").write_text(json.dumps(_metadata()))
    weights = {
        "file": "models/model.safetensors",
        "format": "safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    found = Weights(
        "network", "safetensors", bundle / "models" / "model.safetensors", weights["sha256"]
    )
    entry = {
        "title": "Threshold",
        "digest": bundle_digest(bundle, [found]),
        "cleared": False,
        "modalities": ["MR"],
        "minimum_slices": 2,
        "weights": {"network": weights},
        "segments": {"1": BRAIN},
    }
    (folder / "registry.json").write_text(json.dumps({"threshold": entry}))
    return folder


def _inference(preprocessing: list[dict[str, Any]]) -> dict[str, Any]:
    ours = [{"_target_": name, "keys": "image"} for name in ("LoadImaged", "EnsureChannelFirstd")]
    return {
        "bundle_root": "/nowhere",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": {
            "_target_": "torch.nn.Conv3d",
            "in_channels": 1,
            "out_channels": 2,
            "kernel_size": 1,
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": ours + preprocessing},
        "dataset": {"_target_": "Dataset", "data": "$@datalist", "transform": "@preprocessing"},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [64, 64, 64],
            "sw_batch_size": 2,
            "overlap": 0.25,
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": True,
                    "to_tensor": True,
                },
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "/nowhere"},
            ],
        },
    }


def _metadata() -> dict[str, Any]:
    channels = {"0": "background", "1": "bright"}
    output = {"type": "image", "format": "segmentation", "channel_def": channels}
    return {
        "version": "0.1.0",
        "intended_use": "tests",
        "authors": "tests",
        "network_data_format": {"inputs": {}, "outputs": {"pred": output}},
    }
