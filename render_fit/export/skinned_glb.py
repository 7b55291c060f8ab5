"""A skinned body as binary glTF: skeleton, skin weights, motion; body and clothes as two meshes on one skeleton."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.export.atlas import Atlas
from render_fit.export.gltf import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GltfBuilder
from render_fit.export.meshes import DULL, linear_colours
from render_fit.export.morph_targets import MorphTargets
from render_fit.export.motion import Motion, as_array
from render_fit.export.overlays import png_bytes
from render_fit.export.skin_weights import first_set, influences
from render_fit.export.surface_colours import SurfaceColours

SKIN_COLOUR = (0.60, 0.36, 0.25, 1.0)
"""A neutral skin tone, linear RGBA, of the body under clothes."""

UNLIT = "KHR_materials_unlit"


def skinned_glb(
    motion: Motion,
    targets: Mapping[str, MorphTargets] | None = None,
    *,
    four_joints: bool = False,
    colours: UInt8[np.ndarray, "v 3"] | SurfaceColours | None = None,
) -> bytes:
    """Writes a body in motion as a skinned glTF.

    The scene has a node ``person`` with the skeleton and one node for each mesh: ``body``, and ``clothed`` if there are
    offsets. The body under clothes has a transparent material, so that the file shows the person as fitted. Nodes have
    the pose of the first frame; with more than one frame there is an animation ``motion``.

    Args:
        motion: The motion, with y up as in glTF.
        targets: Morph targets by the name of the mesh, for what skinning cannot do; none if None.
        four_joints: Whether to write only the first four joints of a vertex; else all of them.
        colours: (V, 3) sRGB 0–255 of the vertices, or a texture of photos; plain materials if None. Photos contain the
            light already; then the materials are unlit (``KHR_materials_unlit``), and programs without that extension
            light them. Vertices on the border of the texture's charts repeat.

    Returns:
        Content of a ``.glb`` file.
    """
    gltf, targets = GltfBuilder(), targets or {}
    joints = _skeleton(gltf, motion)
    person = gltf.add("nodes", name="person", children=[joints[0]])
    rest = motion.rest_joints
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(rest), 1, 1))
    inverse[:, :3, 3] = -as_array(rest)
    skin = gltf.add(
        "skins", name="skeleton", joints=joints, skeleton=joints[0], inverseBindMatrices=gltf.accessor(inverse)
    )
    weights = first_set(motion.body.weights) if four_joints else motion.body.weights
    atlas = colours.atlas if isinstance(colours, SurfaceColours) else None
    if atlas is not None:
        weights = weights[torch.from_numpy(atlas.vertices)]
    shared = _shared_attributes(gltf, weights, colours)
    texture = gltf.texture(png_bytes(colours.texture), "photos") if isinstance(colours, SurfaceColours) else None
    nodes = {}
    for name, one in mesh_motions(motion).items():
        visible = one.parameters.offsets is motion.parameters.offsets  # the body under clothes is not
        material = _material(gltf, name, visible=visible, coloured=colours is not None, texture=texture)
        mesh = _mesh(gltf, name, one, shared, material, targets.get(name), atlas)
        nodes[name] = gltf.add("nodes", name=name, mesh=mesh, skin=skin)
    if len(motion) > 1:
        _animation(gltf, motion, joints, {nodes[name]: one for name, one in targets.items() if len(one.directions)})
    gltf.tree["scene"] = gltf.add("scenes", name="scene", nodes=[person, *nodes.values()])
    return gltf.to_bytes()


def mesh_motions(motion: Motion) -> dict[str, Motion]:
    """The meshes of a file by name, each as the motion of a body: ``body``, and ``clothed`` if there are offsets."""
    if motion.parameters.offsets is None:
        return {"body": motion}
    return {"body": replace(motion, parameters=replace(motion.parameters, offsets=None)), "clothed": motion}


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


def _shared_attributes(
    gltf: GltfBuilder,
    skin_weights: Float[Tensor, "v j"],
    colours: UInt8[np.ndarray, "v 3"] | SurfaceColours | None,
) -> dict[str, int]:
    """Adds what the vertices of all meshes have in common: skin weights, colours or places in the texture."""
    attributes = {}
    for number, (joints, weights) in enumerate(influences(skin_weights)):
        attributes[f"JOINTS_{number}"] = gltf.accessor(joints, target=ARRAY_BUFFER)
        attributes[f"WEIGHTS_{number}"] = gltf.accessor(weights, target=ARRAY_BUFFER)
    if isinstance(colours, SurfaceColours):
        places = (colours.atlas.uv_px / colours.atlas.side_px).astype(np.float32)
        attributes["TEXCOORD_0"] = gltf.accessor(places, target=ARRAY_BUFFER)
    elif colours is not None:
        attributes["COLOR_0"] = gltf.accessor(linear_colours(colours), target=ARRAY_BUFFER, normalized=True)
    return attributes


def _material(gltf: GltfBuilder, name: str, *, visible: bool, coloured: bool, texture: int | None) -> int:
    """Adds a dull material; vertex colours and textures multiply its own, and textures are unlit."""
    colour = [1.0, 1.0, 1.0, 1.0] if coloured else list(DULL["baseColorFactor"] if visible else SKIN_COLOUR)
    if not visible:
        colour[3] = 0.0
    look: dict[str, Any] = {**DULL, "baseColorFactor": colour}
    if texture is not None:
        gltf.tree["extensionsUsed"] = [UNLIT]
        look["baseColorTexture"] = {"index": texture}
    return gltf.add(
        "materials",
        name=name,
        pbrMetallicRoughness=look,
        alphaMode=None if visible else "MASK",
        extensions=None if texture is None else {UNLIT: {}},
    )


def _mesh(
    gltf: GltfBuilder,
    name: str,
    motion: Motion,
    shared: dict[str, int],
    material: int,
    targets: MorphTargets | None,
    atlas: Atlas | None,
) -> int:
    """Adds one mesh in the zero pose, with the vertices of the body or of an atlas."""
    offsets = None if motion.parameters.offsets is None else motion.parameters.offsets[:1]
    vertices, faces = motion.body.rest_vertices(motion.parameters.betas[:1], offsets)[0], motion.body.faces
    if targets is not None:
        vertices = vertices + torch.from_numpy(targets.base)
    normals = vertex_normals(vertices, faces)
    normals = torch.where(normals.norm(dim=-1, keepdim=True) > 0.5, normals, normals.new_tensor([0.0, 1.0, 0.0]))
    order = np.arange(len(vertices)) if atlas is None else atlas.vertices
    indices = (faces.cpu().numpy() if atlas is None else atlas.faces).astype(np.uint32).reshape(-1)
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": gltf.accessor(as_array(vertices)[order], target=ARRAY_BUFFER, bounds=True),
            "NORMAL": gltf.accessor(as_array(normals)[order], target=ARRAY_BUFFER),
            **shared,
        },
        "indices": gltf.accessor(indices, target=ELEMENT_ARRAY_BUFFER),
        "material": material,
    }
    if targets is None or not len(targets.directions):
        return gltf.add("meshes", name=name, primitives=[primitive])
    primitive["targets"] = [{"POSITION": gltf.sparse_accessor(one[order])} for one in targets.directions]
    names = [f"corrective{number}" for number in range(len(targets.directions))]
    weights = targets.weights[0].tolist()
    return gltf.add("meshes", name=name, primitives=[primitive], weights=weights, extras={"targetNames": names})


def _animation(gltf: GltfBuilder, motion: Motion, joints: list[int], targets: Mapping[int, MorphTargets]) -> None:
    """Adds the motion: rotations of all joints, positions of the root, weights of the morph targets of nodes."""
    times = gltf.accessor((np.arange(len(motion)) / motion.fps).astype(np.float32), bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def keys(node: int, path: str, values: np.ndarray) -> None:
        samplers.append({"input": times, "output": gltf.accessor(values), "interpolation": "LINEAR"})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

    keys(joints[0], "translation", as_array(motion.root_positions))
    for joint, turns in zip(joints, as_array(motion.quaternions).swapaxes(0, 1), strict=True):
        keys(joint, "rotation", turns)
    for node, one in targets.items():
        keys(node, "weights", one.weights.reshape(-1))
    gltf.add("animations", name="motion", samplers=samplers, channels=channels)
