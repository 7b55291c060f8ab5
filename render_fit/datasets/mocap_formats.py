"""Readers of the three motion-capture files, with rotations of 31 ASF bones about the CMU "base pose".

CMU's base pose: upright, facing +z, y up, arms along +-x with the thumbs forward, legs 20 degrees apart. The rotation
called *lfemur* rotates the bone lfemur (at the hip), as in ASF files. The files use three formats:

- `cmu_amc_*`: local rotations about the base pose. A test compares them with an independent BVH conversion of a take.
- `cmu_bvh_*`: the same about a rest pose with hanging arms; forearm twist and wrist are one rotation.
- `cmu_expmap_*`: inverse rotations (the published code multiplies row vectors), and 38 nodes with end sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from render_fit.core.array_files import read_arrays

BONES = (
    *("root", "lhipjoint", "lfemur", "ltibia", "lfoot", "ltoes", "rhipjoint", "rfemur", "rtibia", "rfoot", "rtoes"),
    *("lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head"),
    *("lclavicle", "lhumerus", "lradius", "lwrist", "lhand", "lfingers", "lthumb"),
    *("rclavicle", "rhumerus", "rradius", "rwrist", "rhand", "rfingers", "rthumb"),
)
PARENTS = (
    *(-1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9),
    *(0, 11, 12, 13, 14, 15),
    *(13, 17, 18, 19, 20, 21, 20),
    *(13, 24, 25, 26, 27, 28, 27),
)
"""Index of each bone's parent; -1 for the root."""

# Node of the 38-node exponential-map tree for each bone above; the other seven nodes are end sites.
# Source: `_some_variables` of the published CMU motion-prediction code (Li et al. 2018, forward_kinematics_cmu.py).
_EXPMAP_NODES = (*range(6), *range(7, 12), *range(13, 19), *range(20, 26), 27, *range(29, 35), 36)


@dataclass(frozen=True)
class SourceMotion:
    """Frames of one file as local rotations of the 31 bones about CMU's base pose.

    Attributes:
        rotations: (n, 31, 3, 3) local rotation matrices; that of the root is in a world with y up.
        clip: (n,) index into `clip_names`.
        clip_names: Names of the clips, for example ``"02_05"``.
        file: Stem of the file.
    """

    rotations: Float[np.ndarray, "n 31 3 3"]
    clip: Int[np.ndarray, "n"]
    clip_names: tuple[str, ...]
    file: str


def read_source(path: Path) -> SourceMotion:
    """Reads one of the motion-capture files, whose format is given by its name.

    Args:
        path: `cmu_amc_*.npz`, `cmu_bvh_*.npz` or `cmu_expmap_*.npz`.

    Returns:
        Frames about CMU's base pose. The first row of each clip of expmap files, a rest pose, is left out.

    Raises:
        InputError: if the file is missing or damaged.
        ValueError: if the name belongs to none of the formats.
    """
    data = read_arrays(path, ("rotvec", "clip", "clip_names"))
    rotvec, clip = data["rotvec"].astype(np.float64), data["clip"].astype(np.int64)
    clip_names = tuple(str(name) for name in data["clip_names"])
    if path.stem.startswith("cmu_amc"):
        rotations = _matrices(rotvec)
    elif path.stem.startswith("cmu_expmap"):
        keep = np.concatenate([[False], clip[1:] == clip[:-1]])
        rotations, clip = _matrices(-rotvec[keep][:, _EXPMAP_NODES]), clip[keep]
    elif path.stem.startswith("cmu_bvh"):
        rotations = _to_horizontal_arms(_matrices(rotvec))
    else:
        raise ValueError(f"{path.name}: expected a name starting with cmu_amc, cmu_bvh or cmu_expmap")
    return SourceMotion(rotations, clip, clip_names, path.stem)


def global_rotations(rotations: Float[np.ndarray, "n 31 3 3"]) -> Float[np.ndarray, "n 31 3 3"]:
    """World rotation of each bone from CMU's base pose.

    Args:
        rotations: (n, 31, 3, 3) local rotations.

    Returns:
        (n, 31, 3, 3); a bone's direction in the world is its rotation times its direction in the base pose.
    """
    world = np.empty_like(rotations)
    for bone, parent in enumerate(PARENTS):
        world[:, bone] = rotations[:, bone] if parent < 0 else world[:, parent] @ rotations[:, bone]
    return world


def _matrices(rotvec: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix().reshape(*rotvec.shape, 3)


def _to_horizontal_arms(rotations: np.ndarray) -> np.ndarray:
    """Changes the rest pose of the arms from hanging to horizontal, and separates twist and bend of the wrist."""
    rotations = rotations.copy()
    for side, down in (("l", -90.0), ("r", 90.0)):
        hang = Rotation.from_euler("z", down, degrees=True).as_matrix()
        humerus = BONES.index(side + "humerus")
        rotations[:, humerus] = rotations[:, humerus] @ hang
        for bone in range(humerus + 1, humerus + 6):
            rotations[:, bone] = hang.T @ rotations[:, bone] @ hang
        wrist, hand = BONES.index(side + "wrist"), BONES.index(side + "hand")
        along = np.array([1.0, 0.0, 0.0])
        twist = Rotation.from_rotvec(twist_angle(rotations[:, wrist], along)[:, None] * along).as_matrix()
        rotations[:, hand] = np.swapaxes(twist, -1, -2) @ rotations[:, wrist] @ rotations[:, hand]
        rotations[:, wrist] = twist
    return rotations


def twist_angle(rotations: Float[np.ndarray, "n 3 3"], axis: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n"]:
    """Twist angle of rotations about a given axis (swing-twist decomposition).

    Args:
        rotations: (n, 3, 3) rotation matrices.
        axis: (3,) unit vector.

    Returns:
        (n,) radians in [-pi, pi): the rotation about `axis` by this angle is the twist in `rotation = twist @ swing`.
    """
    quaternion = Rotation.from_matrix(rotations).as_quat()
    angle = 2 * np.arctan2(quaternion[:, :3] @ axis, quaternion[:, 3])
    return (angle + np.pi) % (2 * np.pi) - np.pi
