"""Regressors as ONNX files, which run where there is no torch: phones, browsers, other languages."""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.core.parts import N_PARTS
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.regressors.checkpoint import KEY
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import REFERENCE_M, Prediction, Regressor

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OPSET = 17
"""The first set of operators with layer norm: what is as old as that runs nearly everywhere."""

TOLERANCE = 1e-4
"""How far the file may be from torch; both compute in float32, in another order."""


def input_names(config: RegressorConfig) -> list[str]:
    """Those of `RegressorInputs` that a regressor looks at."""
    points = config.keypoints or config.sees("heatmaps")
    pictures = {*config.pictures, *config.shape_pictures}
    used = {"focal", *pictures, *(("keypoints", "confidence") if points else ())}
    used |= {"depths", "depth_confidence"} if config.depths else set()
    return [field.name for field in fields(RegressorInputs) if field.name in used]


def output_names(config: RegressorConfig) -> list[str]:
    """Those of `Prediction` that a regressor gives: without clothing coefficients, an empty output would be left."""
    return [field.name for field in fields(Prediction) if field.name != "clothing" or config.n_clothing]


def export_onnx(regressor: Regressor, path: Path) -> None:
    """Writes a regressor as one ONNX file, under a temporary name until onnxruntime has said the same as torch.

    Inputs and outputs have the names and shapes of `RegressorInputs` and `Prediction`, with any number of people; what
    the configuration leaves out is no input. Hypotheses come in the order of the heads, as from `Regressor.forward`.
    The metadata hold the configuration (``render_fit_regressor``, JSON), the keypoints' names in order (``points``,
    JSON) and `REFERENCE_M` (``reference_m``), by which `Prediction.pelvis_offset` tells depth.

    Args:
        regressor: What to write; it is left as it is.
        path: ``.onnx``; its folder exists.

    Raises:
        MissingDependencyError: if onnx or onnxruntime is not installed.
        InputError: if the file cannot be written, or the network is one that ONNX cannot say.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(f"ONNX export needs {error.name}: pip install 'render-fit[onnx]'") from error
    config = regressor.config
    network = _ByName(copy.deepcopy(regressor).cpu().float().eval())
    partial = path.with_name(f".{path.name}.partial")
    try:
        _trace(network, partial)
        model = onnx.load(str(partial))
        told = {
            KEY: config.model_dump_json(),
            "points": json.dumps(CANONICAL_KEYPOINTS),
            "reference_m": str(REFERENCE_M),
        }
        onnx.helper.set_model_props(model, told)
        onnx.save(model, str(partial))
        session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
        _compare(session, network)
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    except Exception as error:  # torch and onnxruntime report what they cannot do in many ways
        backbone = config.backbone.get("model_type") if config.pictures else "none"
        raise InputError(f"{path}: not exported, backbone {backbone}: {str(error).strip().splitlines()[0]}") from error
    finally:
        partial.unlink(missing_ok=True)


class _ByName(nn.Module):
    """A regressor as a function of the tensors that it looks at."""

    def __init__(self, regressor: Regressor) -> None:
        super().__init__()
        self.regressor = regressor

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        config = self.regressor.config
        given = dict(zip(input_names(config), tensors, strict=True))
        n, focal = given["focal"].shape[0], given["focal"]
        unseen = {
            "silhouette": (config.size, config.size),
            "parts": (N_PARTS, config.size, config.size),
            "keypoints": (len(CANONICAL_KEYPOINTS), 2),
            "confidence": (len(CANONICAL_KEYPOINTS),),
            "depths": (len(CANONICAL_KEYPOINTS),),
            "depth_confidence": (len(CANONICAL_KEYPOINTS),),
        }
        for name, shape in unseen.items():
            if name not in given:
                given[name] = focal.new_zeros(n, *shape)
        prediction = self.regressor(RegressorInputs(**given))
        return tuple(getattr(prediction, name) for name in output_names(config))


def _people(config: RegressorConfig, n: int) -> dict[str, Tensor]:
    """Random people, as many as asked for, some of whose keypoints are not seen."""
    generator = torch.Generator().manual_seed(n)
    size, seen = config.size, torch.rand(n, len(CANONICAL_KEYPOINTS), generator=generator)
    everything = {
        "silhouette": torch.rand(n, size, size, generator=generator).round() * 2 - 1,
        "parts": torch.rand(n, N_PARTS, size, size, generator=generator),
        "keypoints": torch.rand(n, len(CANONICAL_KEYPOINTS), 2, generator=generator) * 2 - 1,
        "confidence": torch.where(seen < 0.2, 0.0, seen),
        "depths": torch.rand(n, len(CANONICAL_KEYPOINTS), generator=generator) - 0.5,
        "depth_confidence": torch.where(seen < 0.3, 0.0, seen),
        "photo": torch.rand(n, 3, size, size, generator=generator) * 2 - 1,
        "focal": torch.rand(n, generator=generator) + 1,
    }
    return {name: everything[name] for name in input_names(config)}


def _trace(network: _ByName, path: Path) -> None:
    """Runs the network once and writes down what it did."""
    config = network.regressor.config
    inputs, outputs = input_names(config), output_names(config)
    with warnings.catch_warnings():
        # The exporter that needs no further package is the older one, and says so; it also warns of every size that is
        # compared with the configuration's.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(_people(config, 2).values()),
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={name: {0: "people"} for name in inputs + outputs},
            opset_version=OPSET,
            dynamo=False,
        )


@torch.no_grad()
def _compare(session: InferenceSession, network: _ByName) -> None:
    """Raises ValueError if the file says something else than the network, of one person or of several."""
    config = network.regressor.config
    names = output_names(config)
    for n in (1, 5):  # neither is what was traced
        people = _people(config, n)
        answers = session.run(names, {name: value.numpy() for name, value in people.items()})
        for name, answer, expected in zip(names, answers, network(*people.values()), strict=True):
            value = torch.from_numpy(np.asarray(answer))
            if value.shape != expected.shape:
                raise ValueError(
                    f"{name} of {n} people has shape {tuple(value.shape)}, expected {tuple(expected.shape)}"
                )
            apart = float((value - expected).abs().max())
            if not apart <= TOLERANCE:
                raise ValueError(f"{name} of {n} people is {apart:.2g} off what torch says")
