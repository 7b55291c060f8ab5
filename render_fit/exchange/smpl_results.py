"""Readers of results in SMPL's parameters: SMPLify-X, 4D-Humans and PHALP, ROMP and BEV, AMASS, smplx's names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from smplx.joint_names import JOINT_NAMES, SMPLH_JOINT_NAMES

from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.exchange.checked_arrays import UNITS, numbers, rotvecs, unit_of
from render_fit.exchange.result import BodyResult, PinholeView, WeakView

Values = Mapping[str, Any]

JOINTS: Mapping[str, tuple[str, ...]] = {
    "smpl": SMPL_24.joints,
    "smplh": tuple(SMPLH_JOINT_NAMES[:52]),
    "smplx": tuple(JOINT_NAMES[:55]),
}
"""Joints of each family, in the order of its poses."""

PELVIS_M: Mapping[str, tuple[float, float, float]] = {
    "smpl": (-0.00217, -0.24079, 0.02858),
    "smplh": (-0.00217, -0.24079, 0.02858),
    "smplx": (0.00312, -0.35141, 0.01204),
}
"""Pelvis joint of each family's neutral mean shape, metres. These models turn about it and not about their origin, so
that in any pose it is at its place in the zero pose plus ``transl``. It moves by a centimetre or two with the shape.
 Source: regressed joints of the neutral models, as tabulated in public code."""

HMR_FOCAL_PX, HMR_CROP_PX = 5000.0, 256.0
"""Focal length and crop of HMR2.0 (4D-Humans, hmr2/configs: EXTRA.FOCAL_LENGTH, MODEL.IMAGE_SIZE), pixels."""

BEV_FOCAL = 443.4 / 512
"""Focal length of BEV as a share of the padded photo's side: 60° (simple_romp/bev/main.py: focal_length, 512 px)."""

OTHER_PARTS = {
    "jaw_pose": "jaw", "leye_pose": "left_eye_smplhf", "reye_pose": "right_eye_smplhf",
}  # fmt: skip


def _joints(count: int, key: str, path: Path) -> tuple[str, tuple[str, ...]]:
    """Family and joint names of a pose of so many joints; 22 are SMPL's without the hands."""
    for family, names in JOINTS.items():
        if len(names) == count:
            return family, names
    if count in (22, 23):
        return "smpl", JOINTS["smpl"][:count]
    raise InputError(f"{path}: {key} is for {count} joints; expected 24 (SMPL), 52 (SMPL-H), 55 (SMPL-X) or 22 (body)")


def _pose(values: Values, path: Path) -> Float[np.ndarray, "j 3"]:
    """Global rotation and body pose of smplx's two entries, as axis-angle."""
    root = rotvecs(numbers(values, "global_orient", path), "global_orient", path)
    body = numbers(values, "body_pose", path)
    if body.size == 32:
        raise InputError(
            f"{path}: body_pose holds 32 numbers, VPoser's code of a pose; decode it with VPoser (63 numbers), or give "
            "the mesh that SMPLify-X wrote beside it (meshes/…/000.obj)"
        )
    if len(root) != 1:
        raise InputError(f"{path}: global_orient is of {len(root)} people or frames; expected one")
    return np.concatenate([root, rotvecs(body, "body_pose", path)])


def _mesh(values: Values, key: str, path: Path) -> tuple[Float[np.ndarray, "v 3"] | None, tuple[str, ...]]:
    """Vertices in metres, and what was done to their unit."""
    if values.get(key) is None:
        return None, ()
    vertices = numbers(values, key, path, (None, 3))
    unit = unit_of(vertices)
    told = () if unit == "metres" else (f"{key} is in {unit}; converted to metres",)
    return vertices / UNITS[unit], told


def smplify_x(values: Values, path: Path) -> list[BodyResult]:
    """A result of SMPLify-X or SMPLify-X's SMPL mode (smplify-x, smplifyx/fit_single_frame.py and camera.py).

    Its camera turns and shifts the body; the focal length is in its command line only, 5000 px by default.
    """
    pose = _pose(values, path)
    family = (
        "smplx" if any(key in values for key in OTHER_PARTS) or len(pose) == 22 else _joints(len(pose), "pose", path)[0]
    )
    turn = numbers(values, "camera_rotation", path, (3, 3)) if "camera_rotation" in values else np.eye(3)
    shift = numbers(values, "camera_translation", path, (3,))
    notes: tuple[str, ...] = ()
    if "focal_length" in values:
        focal = float(numbers(values, "focal_length", path).ravel()[0])
    else:
        focal = HMR_FOCAL_PX
        notes = (f"SMPLify-X does not save its focal length; its default of {focal:.0f} px was taken",)
    pelvis = turn @ np.asarray(PELVIS_M[family]) + shift
    pose = np.concatenate([_turned(turn, pose[:1]), pose[1:]])
    names = JOINTS[family][: len(pose)]
    return [
        BodyResult(
            "SMPLify-X", family, names, pose, _betas(values, path),
            transl=pelvis - np.asarray(PELVIS_M[family]), view=PinholeView(pelvis, focal), notes=notes,
        )
    ]  # fmt: skip


def _turned(turn: Float[np.ndarray, "3 3"], root: Float[np.ndarray, "1 3"]) -> Float[np.ndarray, "1 3"]:
    """A global rotation (axis-angle) followed by another rotation."""
    matrix = torch.from_numpy(turn) @ roma.rotvec_to_rotmat(torch.from_numpy(root))
    return roma.rotmat_to_rotvec(matrix).numpy()


def _betas(values: Values, path: Path, key: str = "betas") -> Float[np.ndarray, "s"] | None:
    return None if values.get(key) is None else numbers(values, key, path).reshape(-1)


def four_d_humans(values: Values, path: Path) -> list[BodyResult]:
    """A person of HMR2.0 (4D-Humans, demo.py: the entries of ``out`` and of ``batch``).

    Its camera is a weak-perspective one in the square crop around the person (``pred_cam``, ``box_center``,
    ``box_size``), or a translation in the full photo (``cam_t_full`` with a focal length).
    """
    inner = values.get("pred_smpl_params", values)
    if not isinstance(inner, Mapping):
        raise InputError(f"{path}: pred_smpl_params is not a dictionary of global_orient, body_pose and betas")
    orient = numbers(inner, "global_orient", path)
    count = orient.size // (9 if orient.shape[-2:] == (3, 3) else 3)
    people = []
    for person in range(count):
        one = {**_row(values, person, count), **_row(inner, person, count)}
        pose = _pose(one, path)
        vertices, notes = _mesh(one, "pred_vertices", path)
        view, about = _hmr_view(one, path)
        people.append(
            BodyResult(
                "4D-Humans", "smpl", _joints(len(pose), "pose", path)[1], pose, _betas(one, path),
                vertices=vertices, view=view, notes=(*notes, *about),
            )
        )  # fmt: skip
    return people


def _row(values: Values, index: int, count: int) -> dict[str, Any]:
    """Entries of one of several people."""
    if count == 1:
        return dict(values)
    return {
        key: value[index] if isinstance(value, (np.ndarray, list)) and len(value) == count else value
        for key, value in values.items()
    }


def _hmr_view(values: Values, path: Path) -> tuple[PinholeView | WeakView | None, tuple[str, ...]]:
    pelvis = np.asarray(PELVIS_M["smpl"])
    full = next((key for key in ("pred_cam_t_full", "cam_t_full", "pred_cam_full") if key in values), None)
    focal = next((key for key in ("scaled_focal_length", "focal_length") if key in values), None)
    if full is not None and focal is not None:
        at = pelvis + numbers(values, full, path, (3,))
        return PinholeView(at, float(numbers(values, focal, path).ravel().max())), ()
    if "pred_cam" in values and "box_center" in values and "box_size" in values:
        scale, *shift = numbers(values, "pred_cam", path, (3,))
        x, y = numbers(values, "box_center", path, (2,))
        side = float(numbers(values, "box_size", path).ravel()[0])
        told = "its weak-perspective camera in the crop was converted to a place in the photo"
        return WeakView(pelvis, float(scale), np.asarray(shift), (float(x), float(y), side)), (told,)
    if "pred_cam_t" in values and "box_center" in values and "box_size" in values:
        at = pelvis + numbers(values, "pred_cam_t", path, (3,))
        x, y = numbers(values, "box_center", path, (2,))
        side = float(numbers(values, "box_size", path).ravel()[0])
        zoom = side / HMR_CROP_PX
        return PinholeView(at, HMR_FOCAL_PX * zoom, np.array([x, y])), (
            "its camera is that of the crop (5000 px at 256 px)",
        )
    return None, (
        "its camera is that of a crop, and the file does not say which (box_center and box_size are missing): the body "
        "is placed by keypoints or mask",
    )


def phalp(values: Values, path: Path) -> list[BodyResult]:
    """The people of one frame of PHALP, the tracker of 4D-Humans (phalp/trackers/PHALP.py: history keys).

    ``camera`` is a translation in the frame, padded to a square, whose focal length is 5000 px at a side of 256 px.
    """
    if not isinstance(values["smpl"], (list, tuple)) or not isinstance(values["camera"], (list, tuple, np.ndarray)):
        raise InputError(f"{path}: smpl and camera are not lists of people as PHALP writes them")
    size = numbers(values, "size", path).reshape(-1, 2)[0] if len(values.get("size", ())) else None
    people = []
    for smpl, shift in zip(values["smpl"], values["camera"], strict=False):
        pose = _pose(smpl, path)
        at = np.asarray(PELVIS_M["smpl"]) + np.asarray(shift, dtype=float).reshape(3)
        side = None if size is None else float(size.max())
        view = None if side is None else PinholeView(at, HMR_FOCAL_PX / HMR_CROP_PX * side)
        people.append(BodyResult("PHALP", "smpl", JOINTS["smpl"][: len(pose)], pose, _betas(smpl, path), view=view))
    return people


def romp(values: Values, path: Path) -> list[BodyResult]:
    """The people of a photo by ROMP or BEV (simple_romp/romp/main.py and post_parser.py; bev/post_parser.py).

    ``cam`` of ROMP is (s, x, y): s · position + (x, y) in the photo padded to a square from −1 to 1. BEV has 11 betas,
    and its ``cam_trans`` is metric, with a field of view of 60°.
    """
    thetas = numbers(values, "smpl_thetas", path)
    thetas = thetas.reshape(-1, thetas.shape[-1] if thetas.ndim > 1 else thetas.size)
    if thetas.shape[1] not in (66, 72):
        raise InputError(f"{path}: smpl_thetas has {thetas.shape[1]} numbers a person; expected 72 (24 joints of SMPL)")
    n, pelvis = len(thetas), np.asarray(PELVIS_M["smpl"])
    people = []
    for index in range(n):
        one = _row(values, index, n)
        pose = thetas[index].reshape(-1, 3)
        betas = None if values.get("smpl_betas") is None else numbers(values, "smpl_betas", path).reshape(n, -1)[index]
        vertices, notes = _mesh(one, "verts", path)
        view: PinholeView | WeakView | None = None
        if betas is not None and len(betas) == 11 and "cam_trans" in values:
            at = pelvis + numbers(one, "cam_trans", path, (3,))
            view, betas = PinholeView(at, BEV_FOCAL, per_side=True), betas[:10]
            notes += ("the eleventh number of BEV's shape, which makes children, was left out",)
        elif "cam" in values:
            scale, *shift = numbers(one, "cam", path, (3,))
            view = WeakView(pelvis, float(scale), np.asarray(shift) / scale)
            notes += ("its weak-perspective camera was converted to a place in the photo",)
        people.append(
            BodyResult(
                "ROMP", "smpl", JOINTS["smpl"][: len(pose)], pose, betas, vertices=vertices, view=view, notes=notes
            )
        )
    return people


def amass(values: Values, path: Path, frame: int = 0) -> list[BodyResult]:
    """One frame of a motion of AMASS: z is up, and nothing says where a camera stands."""
    poses = numbers(values, "poses", path, (None, None))
    check_frame(frame, len(poses), path)
    pose = rotvecs(poses[frame], "poses", path)
    family, names = _joints(len(pose), "poses", path)
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # x, y, z with z up → x, −z, y: y down
    pose = np.concatenate([_turned(upright, pose[:1]), pose[1:]])
    transl = numbers(values, "trans", path, (None, 3))[frame] if "trans" in values else np.zeros(3)
    pelvis = np.asarray(PELVIS_M[family])
    return [
        BodyResult(
            "AMASS", family, names, pose, _betas(values, path), transl=upright @ (transl + pelvis) - pelvis,
            direction_known=False, notes=(f"frame {frame} of {len(poses)}; z up turned to the camera's y down",),
        )
    ]  # fmt: skip


def smplx_names(values: Values, path: Path, frame: int = 0) -> list[BodyResult]:
    """Parameters under the names of smplx's arguments, of one or more frames; the camera is K or focal_length."""
    orient = numbers(values, "global_orient", path)
    count = max(1, orient.size // (9 if orient.shape[-2:] == (3, 3) else 3))
    check_frame(frame, count, path)
    one = _row(values, frame, count)
    pose = _pose(one, path)
    hands = [key for key in ("left_hand_pose", "right_hand_pose") if key in one and np.size(one[key]) == 45]
    if len(pose) == 22 and len(hands) == 2:
        face = [rotvecs(numbers(one, key, path), key, path) if key in one else np.zeros((1, 3)) for key in OTHER_PARTS]
        fingers = [rotvecs(numbers(one, key, path), key, path) for key in hands]
        pose = np.concatenate([pose, *face, *fingers] if any(key in one for key in OTHER_PARTS) else [pose, *fingers])
    family, names = _joints(len(pose), "global_orient and body_pose", path)
    if len(pose) == 22 and any(key in one for key in (*OTHER_PARTS, "expression")):
        family = "smplx"
    key = next((name for name in ("transl", "trans", "translation") if name in one), None)
    transl = None if key is None else numbers(one, key, path, (3,))
    view, notes = _named_view(one, transl, family, path)
    betas = _betas(one, path)
    return [BodyResult("smplx parameters", family, names, pose, betas, transl=transl, view=view, notes=notes)]


def _named_view(
    values: Values, transl: Float[np.ndarray, "3"] | None, family: str, path: Path
) -> tuple[PinholeView | None, tuple[str, ...]]:
    if transl is None:
        return None, ("it has no transl: the body is placed by keypoints or mask",)
    pelvis = np.asarray(PELVIS_M[family]) + transl
    key = next((name for name in ("K", "cam_intrinsics", "intrinsics") if name in values), None)
    if key is not None:
        K = numbers(values, key, path, (3, 3))
        return PinholeView(pelvis, float(K[0, 0]), K[:2, 2]), ()
    if "focal_length" in values:
        return PinholeView(pelvis, float(numbers(values, "focal_length", path).ravel()[0])), ()
    return None, ("it has no camera (K or focal_length): the body is placed by keypoints or mask",)


def check_frame(frame: int, count: int, path: Path) -> None:
    """Checks the number of a frame.

    Raises:
        InputError: if there are fewer.
    """
    if not 0 <= frame < count:
        raise InputError(f"{path}: has {count} frames; there is no frame {frame} (they are counted from 0)")
