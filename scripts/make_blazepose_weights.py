"""Makes the weights of the observer BlazePose from the network files in mediapipe's wheel.

    pip install tflite "mediapipe==0.10.21"
    python scripts/make_blazepose_weights.py [--modules FOLDER] [--out FILE]

FOLDER is ``mediapipe/modules`` of the wheel, by default of the installed package. Its networks
``pose_detection/pose_detection.tflite`` and ``pose_landmark/pose_landmark_full.tflite`` store float16, the detector's
1 × 1 convolutions as sparse matrices, so nothing is lost. Weights with many zeros are stored as the others and one bit
for each (``observations/blazepose/weights.py``).
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import flatbuffers.table
import numpy as np
import tflite
import torch
from torch import Tensor, nn

from render_fit.observations.blazepose.detector import PersonDetector
from render_fit.observations.blazepose.landmarks import LandmarkNetwork
from render_fit.observations.blazepose.weights import ASSET, write_networks

CONVOLUTIONS = (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D)

INDICES = {
    tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
    tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
    tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
}

# Where the file's order of convolutions differs from the order of definition: these layers come right after that one.
DETECTOR_MOVES = {"lateral_8": "encoder.sixteenth.0.expand", "lateral_16": "encoder.last.0.expand"}
LANDMARK_MOVES = {
    "lateral_2": "encoder.quarter.0.expand",
    "lateral_4": "encoder.eighth.0.expand",
    "lateral_8": "encoder.sixteenth.0.expand",
    "lateral_16": "encoder.last.0.expand",
    "heatmap": "mask_1.2",
}


class File:
    """A TensorFlow Lite file with one graph."""

    def __init__(self, path: Path) -> None:
        self._model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)
        self._made_by = {}
        for index in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(index)
            self._made_by[int(operator.Outputs(0))] = operator

    def convolutions(self) -> list[tuple[Tensor, Tensor]]:
        """Weights in torch's order of axes, and biases, of all convolutions in the order of the file."""
        found = []
        for index in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(index)
            kind = self._kind(operator)
            if kind in CONVOLUTIONS:
                weight, bias = self._constant(operator.Inputs(1)), self._constant(operator.Inputs(2))
                axes = (0, 3, 1, 2) if kind == tflite.BuiltinOperator.CONV_2D else (3, 0, 1, 2)
                found.append((torch.from_numpy(weight.transpose(axes).copy()), torch.from_numpy(bias.copy())))
        return found

    def _kind(self, operator: tflite.Operator) -> int:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        return max(code.BuiltinCode(), code.DeprecatedBuiltinCode())

    def _constant(self, index: int) -> np.ndarray:
        """Float16 values of a constant, through the operators that make it dense and float32."""
        tensor = self._graph.Tensors(index)
        data = self._model.Buffers(tensor.Buffer())
        if not data.DataLength():
            return self._constant(self._made_by[index].Inputs(0))
        assert tensor.Type() == tflite.TensorType.FLOAT16
        values = data.DataAsNumpy().view(np.float16)
        shape = tuple(int(n) for n in tensor.ShapeAsNumpy())
        return values.reshape(shape) if tensor.Sparsity() is None else _dense(values, shape, tensor.Sparsity())


def _dense(values: np.ndarray, shape: tuple[int, ...], sparsity: tflite.SparsityParameters) -> np.ndarray:
    """Values of a matrix whose rows list the columns that are not zero (all axes but the first and last are 1)."""
    columns = sparsity.DimMetadata(len(shape) - 1)
    starts = _indices(columns.ArraySegmentsType(), columns.ArraySegments())
    at = _indices(columns.ArrayIndicesType(), columns.ArrayIndices())
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    matrix = np.zeros((shape[0], shape[-1]), np.float16)
    matrix[rows, at] = values
    return matrix.reshape(shape)


def _indices(kind: int, table: flatbuffers.table.Table) -> np.ndarray:
    vector = INDICES[kind]()
    vector.Init(table.Bytes, table.Pos)
    return vector.ValuesAsNumpy().astype(np.int64)


def filled(network: nn.Module, moves: dict[str, str], file: File) -> nn.Module:
    """Copies the file's weights into the network's layers; their shapes must be the same."""
    names = [name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    for moved, place in moves.items():
        group = [name for name in names if name.startswith(f"{moved}.")]
        rest = [name for name in names if name not in group]
        at = max(index for index, name in enumerate(rest) if name.startswith(f"{place}.")) + 1
        names = rest[:at] + group + rest[at:]
    layers = dict(network.named_modules())
    for name, (weight, bias) in zip(names, file.convolutions(), strict=True):
        layer = layers[name]
        if layer.weight.shape != weight.shape:
            raise ValueError(f"{name}: expected weights {tuple(layer.weight.shape)}, got {tuple(weight.shape)}")
        layer.weight.data, layer.bias.data = weight, bias
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--modules", type=Path, default=None, help="mediapipe/modules of the wheel")
    parser.add_argument("--out", type=Path, default=ASSET)
    given = parser.parse_args()
    modules = given.modules
    if modules is None:
        package = importlib.util.find_spec("mediapipe")
        if package is None or package.origin is None:
            raise SystemExit('give --modules, or install the networks: pip install "mediapipe==0.10.21"')
        modules = Path(package.origin).parent / "modules"
    detector = filled(PersonDetector(), DETECTOR_MOVES, File(modules / "pose_detection" / "pose_detection.tflite"))
    landmarks = filled(LandmarkNetwork(), LANDMARK_MOVES, File(modules / "pose_landmark" / "pose_landmark_full.tflite"))
    write_networks(detector, landmarks, given.out)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
