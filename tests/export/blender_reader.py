"""Imports a GLB and a BVH file in Blender and writes where its vertices and joints are, frame by frame.

Run by ``blender --background --python blender_reader.py -- GLB BVH FPS FRAMES OUT.npz``, or by a Python with ``bpy``.
"""

from __future__ import annotations

import sys

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np


def world(owner, points) -> np.ndarray:
    """Points of an object in the world's axes: x right, z up."""
    matrix = np.array(owner.matrix_world)
    return np.asarray(points) @ matrix[:3, :3].T + matrix[:3, 3]


def vertices(owner) -> np.ndarray:
    """Vertices of a mesh as its armature and shape keys move it."""
    mesh = owner.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    flat = np.empty(3 * len(mesh.vertices))
    mesh.vertices.foreach_get("co", flat)
    return world(owner, flat.reshape(-1, 3))


glb, bvh, fps, frames, out = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = int(fps)
bpy.ops.import_scene.gltf(filepath=glb)
imported = set(bpy.data.objects)
bpy.ops.import_anim.bvh(filepath=bvh, global_scale=0.01, axis_forward="-Z", axis_up="Y", use_fps_scale=False)
(skeleton,) = set(bpy.data.objects) - imported
found = {}
for frame in range(int(frames)):
    bpy.context.scene.frame_set(frame)
    for name in ("body", "clothed"):
        found[f"{name}_{frame}"] = vertices(bpy.data.objects[name])
    bpy.context.scene.frame_set(frame + 1)  # frames of BVH files start at 1
    posed = skeleton.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    found[f"joints_{frame}"] = world(skeleton, [bone.head for bone in posed])
np.savez(out, names=[bone.name for bone in skeleton.pose.bones], **found)
