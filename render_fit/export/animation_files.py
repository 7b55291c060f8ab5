"""Writes a saved fit for other programs: Blender, Unity, three.js, tools for SMPL (docs/animation.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from render_fit.bodies import Body
from render_fit.core.array_files import write_arrays
from render_fit.core.errors import InputError
from render_fit.core.files import write_bytes
from render_fit.export.amass import amass_arrays
from render_fit.export.animation_kinds import ANIMATION_KINDS, check_animation_files
from render_fit.export.bvh import bvh
from render_fit.export.meshes import write_mesh
from render_fit.export.morph_targets import MorphTargets, beyond_four_joints, pose_correctives
from render_fit.export.motion import Motion, frames_found, motion_of
from render_fit.export.parameters import SavedFit
from render_fit.export.skin_weights import INFLUENCES, first_set_error_m
from render_fit.export.skinned_glb import mesh_motions, skinned_glb
from render_fit.export.surface_colours import SurfaceColours

MESHES = (".obj", ".ply")
"""Files of one frame."""


@dataclass(frozen=True)
class AnimationFile:
    """A file that was written.

    Attributes:
        path: The file.
        content: What is in it.
        losses: What of the fit is not in it, or not everywhere read; a sentence each.
    """

    path: Path
    content: str
    losses: tuple[str, ...] = ()


def write_animation_files(
    saved: SavedFit,
    body: Body,
    files: Sequence[Path],
    *,
    fps: float | None = None,
    ground: bool = False,
    correctives: bool = True,
    four_joints: bool = False,
    colours: UInt8[np.ndarray, "v 3"] | SurfaceColours | None = None,
    frame: int = 0,
) -> list[AnimationFile]:
    """Writes a saved fit as ``.glb`` (skinned, animated), ``.bvh``, ``.npz`` (AMASS), ``.obj``, ``.ply``.

    Args:
        saved: Content of ``params.npz``.
        body: The body that it was fitted with.
        files: Files to write, each atomically, in existing folders.
        fps: Frames a second; None: those of the fit, or `motion.DEFAULT_FPS` where it has none.
        ground: Whether to move the motion so that its lowest point is on the ground and its first frame above the
            origin; else the camera is at the origin. Meshes of one frame stay in camera coordinates.
        correctives: Whether a ``.glb`` has morph targets for the body's pose correctives.
        four_joints: Whether a ``.glb`` has only four joints for each vertex, and morph targets for what the others do.
        colours: (V, 3) sRGB 0–255 of the vertices of ``.glb``, ``.obj`` and ``.ply``; or those of photos, which a
            ``.glb`` has as a texture that is not lit, and the others at their vertices.
        frame: Frame of ``.obj`` and ``.ply``, counted from 0.

    Returns:
        What was written, in the order of ``files``.

    Raises:
        InputError: if an ending is not known, there is no such frame, or a file cannot be written.
    """
    check_animation_files(files)
    if not 0 <= frame < len(saved.poses):
        raise InputError(f"--frame {frame}: the fit has {len(saved.poses)} frames, counted from 0")
    motion, found = motion_of(saved, body, fps), frames_found(saved)
    if not found[frame] and any(file.suffix.lower() in MESHES for file in files):
        raise InputError(f"--frame {frame}: nobody was found there; the first frame with a person is {found.argmax()}")
    gaps = () if found.all() else (_gaps(len(motion), found),)
    if ground:
        motion = motion.on_the_ground()
    written = []
    for file in files:
        kind = file.suffix.lower()
        if kind == ".glb":
            losses = _write_glb(file, motion, correctives=correctives, four_joints=four_joints, colours=colours)
        elif kind == ".bvh":
            write_bytes(file, bvh(motion).encode())
            losses = ()
        elif kind == ".npz":
            losses = _write_amass(file, motion)
        else:
            with torch.no_grad():
                vertices = body(saved.parameters()[frame]).vertices[0]
            shades = colours.vertices if isinstance(colours, SurfaceColours) else colours
            write_mesh(file, vertices.numpy(), body.faces.numpy(), vertex_colours=shades)
            losses = ()
        if kind in MESHES:
            written.append(AnimationFile(file, f"{ANIMATION_KINDS[kind]}, frame {frame}"))
        else:
            written.append(AnimationFile(file, f"{ANIMATION_KINDS[kind]}, {_length(motion)}", gaps + losses))
    return written


def _write_glb(
    file: Path,
    motion: Motion,
    *,
    correctives: bool,
    four_joints: bool,
    colours: UInt8[np.ndarray, "v 3"] | SurfaceColours | None,
) -> tuple[str, ...]:
    """Writes a GLB; what is not in it, and what is in it in another way."""
    targets: dict[str, MorphTargets] = {}
    losses = []

    def count(one: MorphTargets) -> str:
        where = f"{len(one.directions)} morph targets" if len(one.directions) else "part of the mesh"
        return f"{where}, at most {1000 * one.error_m:.2f} mm off at these frames"

    posed = pose_correctives(motion)
    meshes = mesh_motions(motion)
    if posed is not None and correctives:
        targets = dict.fromkeys(meshes, posed)
        losses.append(f"the body's pose correctives are {count(posed)}")
    elif posed is not None:
        losses.append(
            f"without the body's pose correctives, which move vertices by up to {1000 * posed.left_out_m:.1f} mm"
        )
    most = int((motion.body.weights > 0).sum(1).max())
    if four_joints and most > INFLUENCES:
        for name, one in meshes.items():
            beyond = beyond_four_joints(one)
            assert beyond is not None
            targets[name] = targets[name] + beyond if name in targets else beyond
            losses.append(f"of the {name}, what joints beyond {INFLUENCES} a vertex do is {count(beyond)}")
    elif most > INFLUENCES:
        losses.append(
            f"up to {most} joints move a vertex; programs that read {INFLUENCES} (three.js) are up to "
            f"{1000 * first_set_error_m(motion):.1f} mm off: --four-joints is for those"
        )
    write_bytes(file, skinned_glb(motion, targets, four_joints=four_joints, colours=colours))
    return tuple(losses)


def _write_amass(file: Path, motion: Motion) -> tuple[str, ...]:
    """Writes an AMASS file; what is not in it."""
    arrays, losses = amass_arrays(motion), []
    own = f"betas_{motion.body.name}"
    if own in arrays:
        losses.append(f"SMPL has another shape space: betas are zero, those of the {motion.body.name} body are {own}")
    if motion.parameters.offsets is not None:
        losses.append("without the clothes")
    write_arrays(file, **arrays)
    return tuple(losses)


def _gaps(n_frames: int, found: Bool[np.ndarray, "n"]) -> str:
    """What became of the frames in which nobody was found."""
    done = "bridged" if n_frames == len(found) else "left out"
    return f"nobody was found in {(~found).sum():,} of {len(found):,} frames, which are {done}"


def _length(motion: Motion) -> str:
    """Number of frames and their duration."""
    if len(motion) == 1:
        return "one pose"
    return f"{len(motion):,} frames, {(len(motion) - 1) / motion.fps:.2f} s at {motion.fps:g} a second"
