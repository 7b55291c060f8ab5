"""Features of views by onnxruntime, if it is installed: on a CPU in half the time that torch takes."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from render_fit.observations.blazepose.landmarks import INPUT_SIDE_PX
from render_fit.regressors.blazepose_features import Look, frozen_network, view_features

VIEWS = 1
"""Views in one run; one by one a CPU is fastest."""


class _Features(nn.Module):
    """`view_features` with the observer's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.network = frozen_network()

    def forward(self, image: Tensor) -> Tensor:
        return view_features(self.network, image)


def onnx_look(threads: int = 1) -> Look | None:
    """Features of views with the observer's weights, equal to torch's to 1e-4; None without onnx and onnxruntime.

    Args:
        threads: Threads of onnxruntime.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError:
        return None
    example = torch.zeros(2, 3, INPUT_SIDE_PX, INPUT_SIDE_PX)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of every size that is compared
        path = Path(folder) / "features.onnx"
        axes = {"image": {0: "views"}, "features": {0: "views"}}
        torch.onnx.export(
            _Features(), (example,), str(path), input_names=["image"], output_names=["features"],
            dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])

    def look(images: Tensor) -> Tensor:
        parts = [session.run(None, {"image": part.numpy()})[0] for part in images.contiguous().split(VIEWS)]
        return torch.cat([torch.from_numpy(part) for part in parts])

    return look
