"""Evaluates a skinned, animated glTF by the specification's formulas in numpy, apart from the code that writes it.

Source: Khronos, glTF 2.0: 3.6.2 (accessors), 3.7.3 (skins), 3.7.2.2 (morph targets), 3.11 and appendix C (animations).
"""

from __future__ import annotations

import json
import struct

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Gltf:
    """A .glb file."""

    def __init__(self, content: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size, kind = struct.unpack_from("<I4s", content, 12)
        assert kind == b"JSON"
        self.tree = json.loads(content[20 : 20 + size])
        binary, kind = struct.unpack_from("<I4s", content, 20 + size)
        assert kind == b"BIN\0"
        self.buffer = content[28 + size : 28 + size + binary]

    def array(self, index: int) -> np.ndarray:
        accessor = self.tree["accessors"][index]
        if "sparse" in accessor:
            return self.sparse_array(accessor)
        view = self.tree["bufferViews"][accessor["bufferView"]]
        width = WIDTHS[accessor["type"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        flat = np.frombuffer(self.buffer, TYPES[accessor["componentType"]], accessor["count"] * width, start)
        array = flat if width == 1 else flat.reshape(-1, width)
        if accessor.get("normalized"):
            array = array / np.float32(np.iinfo(array.dtype).max)
        return array

    def sparse_array(self, accessor: dict) -> np.ndarray:
        assert "bufferView" not in accessor  # zeros, but for some rows
        sparse, width = accessor["sparse"], WIDTHS[accessor["type"]]
        views = [self.tree["bufferViews"][sparse[part]["bufferView"]] for part in ("indices", "values")]
        rows = np.frombuffer(
            self.buffer, TYPES[sparse["indices"]["componentType"]], sparse["count"], views[0].get("byteOffset", 0)
        )
        assert (np.diff(rows.astype(int)) > 0).all() and rows.max() < accessor["count"]
        array = np.zeros((accessor["count"], width), np.float32)
        array[rows] = np.frombuffer(
            self.buffer, np.float32, sparse["count"] * width, views[1].get("byteOffset", 0)
        ).reshape(-1, width)
        return array

    def mesh(self, name: str) -> dict:
        return next(mesh for mesh in self.tree["meshes"] if mesh["name"] == name)

    def attributes(self, name: str) -> dict[str, np.ndarray]:
        (primitive,) = self.mesh(name)["primitives"]
        return {key: self.array(index) for key, index in primitive["attributes"].items()}

    def duration(self) -> float:
        return max(float(self.array(one["input"]).max()) for one in self.tree["animations"][0]["samplers"])

    def sampled(self, time: float | None) -> dict[tuple[int, str], np.ndarray]:
        """Animated values at a time, by node and path; none for None."""
        values = {}
        for animation in self.tree.get("animations", ()) if time is not None else ():
            for channel in animation["channels"]:
                sampler = animation["samplers"][channel["sampler"]]
                assert sampler["interpolation"] == "LINEAR"
                keys, output = self.array(sampler["input"]).astype(float), self.array(sampler["output"]).astype(float)
                path, at = channel["target"]["path"], np.clip(time, keys[0], keys[-1])
                if path == "rotation":
                    values[channel["target"]["node"], path] = Slerp(keys, Rotation.from_quat(output))(at).as_quat()
                    continue
                output = output.reshape(len(keys), -1)
                columns = [np.interp(at, keys, column) for column in output.T]
                values[channel["target"]["node"], path] = np.array(columns)
        return values

    def world_matrices(self, time: float | None) -> dict[int, np.ndarray]:
        """Global transforms of the nodes of the scene."""
        sampled, nodes, worlds = self.sampled(time), self.tree["nodes"], {}

        def visit(index: int, parent: np.ndarray) -> None:
            node, local = nodes[index], np.eye(4)
            assert "matrix" not in node
            rotation = sampled.get((index, "rotation"), node.get("rotation", [0, 0, 0, 1]))
            local[:3, :3] = Rotation.from_quat(rotation).as_matrix()
            local[:3, 3] = sampled.get((index, "translation"), node.get("translation", [0, 0, 0]))
            worlds[index] = parent @ local
            for child in node.get("children", ()):
                visit(child, worlds[index])

        for root in self.tree["scenes"][self.tree["scene"]]["nodes"]:
            visit(root, np.eye(4))
        return worlds

    def vertices(self, name: str, time: float | None = None) -> np.ndarray:
        """Posed vertices of a skinned mesh at a time of the animation; None: as the nodes are."""
        worlds, sampled = self.world_matrices(time), self.sampled(time)
        node_index = next(i for i, node in enumerate(self.tree["nodes"]) if node["name"] == name and "mesh" in node)
        node, mesh, attributes = self.tree["nodes"][node_index], self.mesh(name), self.attributes(name)
        rest = attributes["POSITION"].astype(float)
        targets = mesh["primitives"][0].get("targets", ())
        weights = sampled.get((node_index, "weights"), mesh.get("weights", ()))
        for weight, target in zip(weights, targets, strict=True):
            rest = rest + weight * self.array(target["POSITION"])
        skin = self.tree["skins"][node["skin"]]
        inverse = self.array(skin["inverseBindMatrices"]).astype(float).reshape(-1, 4, 4).swapaxes(1, 2)
        matrices = np.stack([worlds[joint] for joint in skin["joints"]]) @ inverse
        homogeneous = np.concatenate([rest, np.ones((len(rest), 1))], 1)
        posed = np.zeros((len(rest), 4))
        number = 0
        while f"JOINTS_{number}" in attributes:
            for joints, shares in zip(attributes[f"JOINTS_{number}"].T, attributes[f"WEIGHTS_{number}"].T, strict=True):
                posed += shares[:, None] * np.einsum("vab,vb->va", matrices[joints], homogeneous)
            number += 1
        return posed[:, :3]

    def joints(self, time: float | None = None) -> dict[str, np.ndarray]:
        """World positions of the joints, by name."""
        worlds = self.world_matrices(time)
        return {self.tree["nodes"][joint]["name"]: worlds[joint][:3, 3] for joint in self.tree["skins"][0]["joints"]}
