"""A skinned body as binary glTF: skeleton, skin weights, motion; body and clothes as two meshes on one skeleton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.export.gltf import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GltfBuilder
from render_fit.export.meshes import DULL, linear_colours
from render_fit.export.motion import Motion, as_array
from render_fit.export.pose_correctives import CorrectiveTargets
from render_fit.export.skin_weights import influences

SKIN_COLOUR = (0.60, 0.36, 0.25, 1.0)
"""A neutral skin tone, linear RGBA, of the body under clothes."""


UNLIT = "KHR_materials_unlit"


@dataclass(frozen=True)
class _Surface:
    """What the body's mesh and the clothed mesh share: indices of accessors."""

    faces: int
    attributes: dict[str, int]
    targets: list[dict[str, int]]


def skinned_glb(
    motion: Motion,
    correctives: CorrectiveTargets | None = None,
    colours: UInt8[np.ndarray, "v 3"] | None = None,
    lit: bool = True,
) -> bytes:
    """Writes a body in motion as a skinned glTF.

    The scene has a node ``person`` with the skeleton and one node for each mesh: ``body``, and ``clothed`` if there are
    offsets. The body under clothes has a transparent material, so that the file shows the person as fitted. Nodes have
    the pose of the first frame; with more than one frame there is an animation ``motion``.

    Args:
        motion: The motion, with y up as in glTF.
        correctives: Morph targets for the pose correctives of the body; without them the file lacks what skinning
            cannot do.
        colours: (V, 3) sRGB 0–255 of the vertices; plain materials if None.
        lit: Whether programs light the meshes. Colours of photos contain the light already; then the materials are
            unlit (``KHR_materials_unlit``), and programs without that extension light them.

    Returns:
        Content of a ``.glb`` file.
    """
    gltf = GltfBuilder()
    joints = _skeleton(gltf, motion)
    person = gltf.add("nodes", name="person", children=[joints[0]])
    rest = motion.rest_joints
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(rest), 1, 1))
    inverse[:, :3, 3] = -as_array(rest)
    skin = gltf.add(
        "skins", name="skeleton", joints=joints, skeleton=joints[0], inverseBindMatrices=gltf.accessor(inverse)
    )
    surface = _surface(gltf, motion, correctives, colours)
    betas, offsets = motion.parameters.betas[:1], motion.parameters.offsets
    shapes = {"body": motion.body.rest_vertices(betas)[0]}
    if offsets is not None:
        shapes["clothed"] = motion.body.rest_vertices(betas, offsets[:1])[0]
    meshes = []
    for name, vertices in shapes.items():
        visible = name == "clothed" or offsets is None
        if correctives is not None:
            vertices = vertices + torch.from_numpy(correctives.base)
        material = _material(gltf, name, visible=visible, coloured=colours is not None, lit=lit)
        mesh = _mesh(gltf, name, vertices, motion, surface, material, correctives)
        meshes.append(gltf.add("nodes", name=name, mesh=mesh, skin=skin))
    if len(motion) > 1:
        _animation(gltf, motion, joints, meshes, correctives)
    gltf.tree["scene"] = gltf.add("scenes", name="scene", nodes=[person, *meshes])
    return gltf.to_bytes()


def _skeleton(gltf: GltfBuilder, motion: Motion) -> list[int]:
    """Adds a node for every joint, in the pose of the first frame; their indices."""
    parents, names = motion.body.parents, motion.body.joint_names
    places, turns = motion.bones.clone(), motion.quaternions[0]
    places[0] = motion.root_positions[0]
    first = len(gltf.tree.get("nodes", ()))
    for joint, name in enumerate(names):
        children = [first + child for child, parent in enumerate(parents) if parent == joint]
        gltf.add(
            "nodes",
            name=name,
            translation=as_array(places[joint]).tolist(),
            rotation=as_array(turns[joint]).tolist(),
            children=children or None,
        )
    return list(range(first, first + len(names)))


def _surface(
    gltf: GltfBuilder,
    motion: Motion,
    correctives: CorrectiveTargets | None,
    colours: UInt8[np.ndarray, "v 3"] | None,
) -> _Surface:
    """Adds faces, skin weights, colours and morph targets."""
    faces = motion.body.faces.cpu().numpy().astype(np.uint32)
    attributes = {}
    for number, (joints, weights) in enumerate(influences(motion.body.weights)):
        attributes[f"JOINTS_{number}"] = gltf.accessor(joints, target=ARRAY_BUFFER)
        attributes[f"WEIGHTS_{number}"] = gltf.accessor(weights, target=ARRAY_BUFFER)
    if colours is not None:
        attributes["COLOR_0"] = gltf.accessor(linear_colours(colours), target=ARRAY_BUFFER, normalized=True)
    directions = () if correctives is None else correctives.directions
    targets = [{"POSITION": gltf.accessor(one, target=ARRAY_BUFFER, bounds=True)} for one in directions]
    return _Surface(gltf.accessor(faces.reshape(-1), target=ELEMENT_ARRAY_BUFFER), attributes, targets)


def _material(gltf: GltfBuilder, name: str, *, visible: bool, coloured: bool, lit: bool) -> int:
    """Adds a dull material; vertex colours multiply its own."""
    colour = [1.0, 1.0, 1.0, 1.0] if coloured else list(DULL["baseColorFactor"] if visible else SKIN_COLOUR)
    if not visible:
        colour[3] = 0.0
    if not lit:
        gltf.tree["extensionsUsed"] = [UNLIT]
    return gltf.add(
        "materials",
        name=name,
        pbrMetallicRoughness={**DULL, "baseColorFactor": colour},
        alphaMode=None if visible else "MASK",
        extensions=None if lit else {UNLIT: {}},
    )


def _mesh(
    gltf: GltfBuilder,
    name: str,
    vertices: Float[Tensor, "v 3"],
    motion: Motion,
    surface: _Surface,
    material: int,
    correctives: CorrectiveTargets | None,
) -> int:
    """Adds one mesh in the zero pose."""
    normals = vertex_normals(vertices, motion.body.faces)
    normals = torch.where(normals.norm(dim=-1, keepdim=True) > 0.5, normals, normals.new_tensor([0.0, 1.0, 0.0]))
    attributes = {
        "POSITION": gltf.accessor(as_array(vertices), target=ARRAY_BUFFER, bounds=True),
        "NORMAL": gltf.accessor(as_array(normals), target=ARRAY_BUFFER),
        **surface.attributes,
    }
    targets = surface.targets
    primitive: dict[str, Any] = {"attributes": attributes, "indices": surface.faces, "material": material}
    if correctives is None or not targets:
        return gltf.add("meshes", name=name, primitives=[primitive])
    names = [f"corrective{number}" for number in range(len(targets))]
    return gltf.add(
        "meshes",
        name=name,
        primitives=[{**primitive, "targets": targets}],
        weights=correctives.weights[0].tolist(),
        extras={"targetNames": names},
    )


def _animation(
    gltf: GltfBuilder, motion: Motion, joints: list[int], meshes: list[int], correctives: CorrectiveTargets | None
) -> None:
    """Adds the motion: rotations of all joints, positions of the root, weights of morph targets."""
    times = gltf.accessor((np.arange(len(motion)) / motion.fps).astype(np.float32), bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def keys(values: np.ndarray, path: str, *nodes: int) -> None:
        samplers.append({"input": times, "output": gltf.accessor(values), "interpolation": "LINEAR"})
        channels.extend({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}} for node in nodes)

    keys(as_array(motion.root_positions), "translation", joints[0])
    for joint, turns in zip(joints, as_array(motion.quaternions).swapaxes(0, 1), strict=True):
        keys(turns, "rotation", joint)
    if correctives is not None and len(correctives.directions):
        keys(correctives.weights.reshape(-1), "weights", *meshes)
    gltf.add("animations", name="motion", samplers=samplers, channels=channels)
