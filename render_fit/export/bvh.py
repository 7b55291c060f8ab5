"""A motion as BVH (Biovision hierarchy): joints, bones and rotations, without a mesh.

Written so that every reader agrees: y up, centimetres, the root's OFFSET zero and its position in the channels, each
rotation as Z, X, Y in degrees, that is R = Rz Rx Ry for column vectors. The zero pose of the skeleton is the body's: a
T, facing +z.

Source: Meredith and Maddock 2001, "Motion capture file formats explained", section 3.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from render_fit.export.motion import Motion, as_array

CENTIMETRES = 100.0
"""Units of a BVH file in a metre: what editors of motion capture expect."""

ORDER = "ZXY"
"""Axes of the rotation channels; scipy's capitals are rotations about moving axes."""


def bvh(motion: Motion) -> str:
    """Writes a motion as BVH.

    Args:
        motion: The motion, with y up.

    Returns:
        Content of a ``.bvh`` file.
    """
    positions = CENTIMETRES * as_array(motion.root_positions).astype(np.float64)
    channels = np.concatenate([positions[:, None], _angles_deg(motion)], axis=1).reshape(len(motion), -1)
    columns = [0, *(1 + joint for joint in _depth_first(motion.body.parents))]
    order = np.concatenate([3 * column + np.arange(3) for column in columns])
    rows = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in channels[:, order])
    hierarchy = "\n".join(_joint(motion, 0, CENTIMETRES * as_array(motion.bones), CENTIMETRES * _ends(motion), ""))
    return f"HIERARCHY\n{hierarchy}\nMOTION\nFrames: {len(motion)}\nFrame Time: {1 / motion.fps:.9f}\n{rows}\n"


def _joint(motion: Motion, joint: int, bones: np.ndarray, ends: np.ndarray, indent: str) -> list[str]:
    """Lines of a joint and of what hangs on it."""
    rotations = " ".join(f"{axis}rotation" for axis in ORDER)
    root = joint == 0
    position = "Xposition Yposition Zposition " if root else ""
    lines = [
        f"{indent}{'ROOT' if root else 'JOINT'} {motion.body.joint_names[joint]}",
        f"{indent}{{",
        f"{indent}\tOFFSET {_numbers(bones[joint])}",
        f"{indent}\tCHANNELS {6 if root else 3} {position}{rotations}",
    ]
    children = [child for child, parent in enumerate(motion.body.parents) if parent == joint]
    for child in children:
        lines += _joint(motion, child, bones, ends, indent + "\t")
    if not children:
        lines += [
            f"{indent}\tEnd Site",
            f"{indent}\t{{",
            f"{indent}\t\tOFFSET {_numbers(ends[joint])}",
            f"{indent}\t}}",
        ]
    return [*lines, f"{indent}}}"]


def _angles_deg(motion: Motion) -> Float[np.ndarray, "n j 3"]:
    """Rotation angles about `ORDER`'s axes, degrees, without jumps by whole turns from frame to frame."""
    quaternions = as_array(motion.quaternions).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where two axes coincide, scipy says that it sets one angle to zero
        angles = Rotation.from_quat(quaternions.reshape(-1, 4)).as_euler(ORDER, degrees=True)
    return np.unwrap(angles.reshape(*quaternions.shape[:2], 3), period=360.0, axis=0)


def _ends(motion: Motion) -> Float[np.ndarray, "j 3"]:
    """Ends of the bones of joints without children: the mean of the vertices that the joint moves, relative to it."""
    weights = motion.body.weights
    rest = motion.body.rest_vertices(motion.parameters.betas[:1])[0]
    means = (weights.T @ rest) / weights.sum(0).clamp(min=1e-9)[:, None]
    return as_array(torch.where(weights.sum(0)[:, None] > 0, means - motion.rest_joints, torch.zeros_like(means)))


def _depth_first(parents: tuple[int, ...]) -> list[int]:
    """Joints in the order in which a hierarchy lists them."""

    def below(joint: int) -> list[int]:
        children = (child for child, parent in enumerate(parents) if parent == joint)
        return [joint, *(one for child in children for one in below(child))]

    return below(0)


def _numbers(vector: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in vector)
