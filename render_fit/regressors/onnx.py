"""Export of regressors to ONNX files, which run without torch: on phones, in browsers, in other languages."""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from render_fit.core.errors import InputError, MissingDependencyError
from render_fit.core.files import write_bytes
from render_fit.core.parts import N_PARTS
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.regressors.checkpoint import KEY
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.network import Regressor
from render_fit.regressors.prediction import REFERENCE_M, Prediction

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OPSET = 17
"""Operator set of the files: the first with layer norm, supported by nearly all runtimes."""

TOLERANCE = 1e-4
"""Largest difference between the outputs of the file and of torch; both compute in float32, in another order."""

TURNED_TOLERANCE = 5e-4
"""The same for backbones that turn their view (`TurnedView`): the second look amplifies rounding errors of the first,
most where it is not sure of the person. On photos of people the outputs of `hmr` differ by less than `TOLERANCE`."""


def input_names(config: RegressorConfig) -> list[str]:
    """Names of the `RegressorInputs` that a regressor uses."""
    points = config.keypoints or config.uses("heatmaps")
    used = {"focal", *config.pictures, *config.shape_pictures, *(("keypoints", "confidence") if points else ())}
    used |= {"depths", "depth_confidence"} if config.depths else set()
    return [field.name for field in fields(RegressorInputs) if field.name in used]


def output_names(config: RegressorConfig) -> list[str]:
    """Names of the outputs of `Prediction`; ``clothing`` is left out if there are no clothing coefficients."""
    return [field.name for field in fields(Prediction) if field.name != "clothing" or config.n_clothing]


def export_onnx(regressor: Regressor, path: Path) -> None:
    """Writes a regressor as one ONNX file. The file appears after its outputs in onnxruntime were compared with torch.

    Inputs and outputs have the names and shapes of `RegressorInputs` and `Prediction`, for any number of people; inputs
    that the regressor does not use are left out. Hypotheses are unsorted, as from `Regressor.forward`. The metadata
    contain the configuration (``render_fit_regressor``, JSON), the names of the keypoints in order (``points``, JSON)
    and `REFERENCE_M` (``reference_m``), the reference for the depth in `Prediction.pelvis_offset`.

    Args:
        regressor: Regressor to export; it is not changed.
        path: ``.onnx`` file in an existing folder.

    Raises:
        MissingDependencyError: if onnx or onnxruntime is not installed.
        InputError: if the file cannot be written, or the network cannot be expressed in ONNX.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(f"ONNX export needs {error.name}: pip install 'render-fit[onnx]'") from error
    config = regressor.config
    network = _ByName(copy.deepcopy(regressor).cpu().float()).eval()
    try:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "regressor.onnx"
            _trace(network, made)
            model = onnx.load(str(made))
            metadata = {
                KEY: config.model_dump_json(),
                "points": json.dumps(CANONICAL_KEYPOINTS),
                "reference_m": str(REFERENCE_M),
            }
            onnx.helper.set_model_props(model, metadata)
            onnx.save(model, str(made))
            session = onnxruntime.InferenceSession(str(made), providers=["CPUExecutionProvider"])
            _compare(session, network)
            write_bytes(path, made.read_bytes())
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    except Exception as error:  # torch and onnxruntime raise many types of errors
        backbone = config.backbone.get("model_type") if config.pictures else "none"
        raise InputError(f"{path}: not exported, backbone {backbone}: {str(error).strip().splitlines()[0]}") from error


class _ByName(nn.Module):
    """Regressor as a function of its input tensors."""

    def __init__(self, regressor: Regressor) -> None:
        super().__init__()
        self.regressor = regressor

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        config = self.regressor.config
        given = dict(zip(input_names(config), tensors, strict=True))
        n, size, n_points = given["focal"].shape[0], config.size, len(CANONICAL_KEYPOINTS)
        shapes = {"silhouette": (size, size), "parts": (N_PARTS, size, size), "keypoints": (n_points, 2)}
        shapes |= dict.fromkeys(("confidence", "depths", "depth_confidence"), (n_points,))
        for name in shapes.keys() - given.keys():
            given[name] = given["focal"].new_zeros(n, *shapes[name])
        prediction = self.regressor(RegressorInputs(**given))
        return tuple(getattr(prediction, name) for name in output_names(config))


def _people(config: RegressorConfig, n: int) -> dict[str, Tensor]:
    """Random inputs of n people; some keypoints are not observed."""
    generator = torch.Generator().manual_seed(n)
    size, confidence = config.size, torch.rand(n, len(CANONICAL_KEYPOINTS), generator=generator)
    everything = {
        "silhouette": torch.rand(n, size, size, generator=generator).round() * 2 - 1,
        "parts": torch.rand(n, N_PARTS, size, size, generator=generator),
        "keypoints": torch.rand(n, len(CANONICAL_KEYPOINTS), 2, generator=generator) * 2 - 1,
        "confidence": torch.where(confidence < 0.2, 0.0, confidence),
        "depths": torch.rand(n, len(CANONICAL_KEYPOINTS), generator=generator) - 0.5,
        "depth_confidence": torch.where(confidence < 0.3, 0.0, confidence),
        "photo": standing_figures(n, size, generator),
        "focal": torch.rand(n, generator=generator) + 1,
    }
    return {name: everything[name] for name in input_names(config)}


def standing_figures(n: int, size: int, generator: torch.Generator) -> Tensor:
    """(N, 3, S, S) pictures from −1 to 1 of a standing figure of ellipses, before a smooth background.

    Backbones that turn their view towards the person (`TurnedView`) amplify rounding errors where there is none.
    """
    pictures = interpolate(torch.rand(n, 3, 4, 4, generator=generator) - 0.5, (size, size), mode="bilinear")
    at = (torch.arange(size) + 0.5) * (2 / size) - 1
    x, y = at, at[:, None]
    limbs = [(0.0, -0.68, 0.09, 0.12), (0.0, -0.25, 0.17, 0.33), (-0.1, 0.4, 0.08, 0.42), (0.1, 0.4, 0.08, 0.42)]
    limbs += [(-0.24, -0.2, 0.05, 0.33), (0.24, -0.2, 0.05, 0.33)]
    for u, v, wide, high in limbs:
        inside = ((x - u) / wide).square() + ((y - v) / high).square() < 1
        colour = torch.rand(n, 3, 1, 1, generator=generator)
        pictures = torch.where(inside, colour, pictures)
    return pictures


def _trace(network: _ByName, path: Path) -> None:
    """Traces the network and writes the ONNX file."""
    config = network.regressor.config
    inputs, outputs = input_names(config), output_names(config)
    with torch.no_grad():
        network(*_people(config, 2).values())  # a frozen backbone reads its weights when first used, not in the trace
    with warnings.catch_warnings():
        # The exporter without further dependencies is the older one, which warns that it is. It also warns of every
        # size that is compared with the configuration.
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
    """Raises ValueError if outputs of the file and of the network differ, for one person or for several."""
    config = network.regressor.config
    names = output_names(config)
    for n in (1, 5):  # other batch sizes than the traced one
        people = _people(config, n)
        outputs = session.run(names, {name: value.numpy() for name, value in people.items()})
        for name, output, expected in zip(names, outputs, network(*people.values()), strict=True):
            value = torch.from_numpy(np.asarray(output))
            if value.shape != expected.shape:
                raise ValueError(
                    f"{name} of {n} people has shape {tuple(value.shape)}, expected {tuple(expected.shape)}"
                )
            difference = float((value - expected).abs().max())
            if not difference <= (TURNED_TOLERANCE if config.is_turned else TOLERANCE):
                raise ValueError(f"{name} of {n} people differs from torch by {difference:.2g}")
