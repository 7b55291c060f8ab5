"""Loads SMPL, SMPL-H and SMPL-X bodies from model files (.npz, or .pkl read safely).

The models have licences of their own (https://smpl.is.tue.mpg.de and sister sites): register, download, give the path.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from smplx.joint_names import JOINT_NAMES, SMPLH_JOINT_NAMES
from smplx.vertex_ids import vertex_ids

from render_fit.bodies.body import Body
from render_fit.bodies.file_checks import BodyFileError, check_shapes, check_values
from render_fit.bodies.smpl_paths import GENDERS, model_file
from render_fit.core.array_files import read_arrays
from render_fit.core.errors import InputError
from render_fit.core.file_kinds import and_what_it_is
from render_fit.core.safe_pickle import PickleFileError, as_array, read_pickle
from render_fit.core.skeletons import COCO_17, SMPL_24

NEEDED = ("v_template", "shapedirs", "J_regressor", "weights", "kintree_table", "f")
MESH_VERTICES = {6890: "smplh", 10475: "smplx"}  # SMPL and SMPL-H share a mesh


@dataclass(frozen=True)
class _Family:
    """Properties of a model that follow from its number of joints."""

    name: str
    joint_names: tuple[str, ...]
    smpl_parts: tuple[int, ...]
    max_betas: int


def _families() -> dict[int, _Family]:
    head, left, right = (SMPL_24.index(joint) for joint in ("head", "left_hand", "right_hand"))
    fingers = [left] * 15 + [right] * 15
    body = list(range(22))
    return {
        24: _Family("smpl", SMPL_24.joints, tuple(range(24)), 300),
        52: _Family("smplh", tuple(SMPLH_JOINT_NAMES[:52]), (*body, *fingers), 16),
        55: _Family("smplx", tuple(JOINT_NAMES[:55]), (*body, head, head, head, *fingers), 300),
    }


# Landmarks that smplx defines as vertices of these meshes.
_SMPLX_VERTICES = {
    "nose": "nose", "left_eye": "leye", "right_eye": "reye", "left_ear": "lear", "right_ear": "rear",
    "left_big_toe": "LBigToe", "left_small_toe": "LSmallToe", "left_heel": "LHeel",
    "right_big_toe": "RBigToe", "right_small_toe": "RSmallToe", "right_heel": "RHeel",
}  # fmt: skip
# SMPLify takes vertex 411 of SMPL's mesh for LSP's head top (Bogo et al. 2016, fit_3d.py: HEAD_VID).
_HEAD_TOP = {"smplh": 411}
# Points that these files do not define are read from the nearest joint, as SMPLify does for annotated joints.
_STANDS_FOR = {
    **{f"coco_{joint}": joint for joint in COCO_17.joints if joint in SMPL_24.joints},
    "neck_base": "neck",
    "left_hand": "left_middle1",
    "right_hand": "right_middle1",
    **{f"{side}_thumb": f"{side}_thumb2" for side in ("left", "right")},
    **{f"{side}_{finger}": f"{side}_{finger}1" for side in ("left", "right") for finger in ("index", "pinky")},
}


def load_smpl_file(path: Path | str, gender: str | None = None, n_betas: int = 10) -> Body:
    """Loads a SMPL, SMPL-H or SMPL-X body from its model file.

    The number of joints (24, 52, 55) determines the model. Hand poses are rotations from the flat hand, as
    with smplx's ``flat_hand_mean=True``.

    Args:
        path: Path of a .npz or .pkl file, or of a folder in a layout of `smpl_paths`.
        gender: ``neutral``, ``male`` or ``female``, to choose in a folder; default neutral, or the only file there.
        n_betas: Number of shape coefficients to use.

    Returns:
        The body. COCO-style joints, and for SMPL-X and SMPL-H finger points, are read from the nearest joint; face and
        feet landmarks from smplx's vertex numbers where the mesh is the published one. See `Body.supports`.

    Raises:
        FileNotFoundError: If there is no such file or no model in the folder; the message lists the files.
        BodyFileError: If the file is no body model (the message names missing arrays), contains more than arrays, or
            its values are no body's: not finite, or not in metres with y up.
        ValueError: If ``gender`` or ``n_betas`` is out of range.
    """
    if gender is not None and gender not in GENDERS:
        raise ValueError(f"gender must be one of {', '.join(GENDERS)}, got {gender!r}")
    file = model_file(Path(path), gender)
    arrays = _read(file)
    n_joints = arrays["weights"].shape[-1]
    families = _families()
    if n_joints not in families:
        raise BodyFileError(
            f"{file} has {n_joints} joints; SMPL has 24, SMPL-H 52, SMPL-X 55 (hand and animal models are unsupported)"
        )
    family = families[n_joints]
    check_shapes(arrays, file)
    check_values(arrays, file)
    available = min(family.max_betas, arrays["shapedirs"].shape[-1])
    if not 1 <= n_betas <= available:
        raise ValueError(f"n_betas must be 1 to {available} for {file.name}, got {n_betas}")
    v_template = _float(arrays["v_template"])
    names, regressor = _landmarks(v_template)
    posedirs = arrays.get("posedirs")
    body = Body(
        name=family.name,
        joint_names=family.joint_names,
        parents=[-1, *arrays["kintree_table"][0, 1:].astype(int).tolist()],
        v_template=v_template,
        shapedirs=_float(arrays["shapedirs"][..., :n_betas]),
        posedirs=None if posedirs is None else _float(posedirs),
        J_regressor=_float(arrays["J_regressor"]),
        weights=_float(arrays["weights"]),
        faces=torch.from_numpy(arrays["f"].astype(np.int64)),
        landmark_names=names,
        landmark_regressor=regressor,
        smpl_parts=family.smpl_parts,
        stands_for=_STANDS_FOR,
    )
    body.origin = str(file.absolute())
    return body


def smpl_arrays(body: Body) -> dict[str, np.ndarray]:
    """Arrays of a body as in a SMPL file, e.g. for ``smplx.SMPL("", data_struct=Struct(**smpl_arrays(body)))``.

    Args:
        body: Body model.

    Returns:
        ``v_template``, ``shapedirs``, ``posedirs`` (zeros where the body has none), ``J_regressor``, ``weights``,
        ``kintree_table`` and ``f``; `load_smpl_file` reads them back from a .npz.
    """
    n_joints = len(body.parents)
    posedirs = body.posedirs
    if posedirs is None:
        posedirs = body.v_template.new_zeros(body.n_vertices, 3, 9 * (n_joints - 1))
    tensors = {
        "v_template": body.v_template,
        "shapedirs": body.shapedirs,
        "posedirs": posedirs,
        "J_regressor": body.J_regressor,
        "weights": body.weights,
    }
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    parents = np.asarray([2**32 - 1, *body.parents[1:]], dtype=np.uint32)  # SMPL writes the root's -1 as uint32
    arrays["kintree_table"] = np.stack([parents, np.arange(n_joints, dtype=np.uint32)])
    arrays["f"] = body.faces.cpu().numpy().astype(np.uint32)
    return arrays


def _read(file: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a model file that a body needs; what the file is follows from its first bytes."""
    with file.open("rb") as opened:
        head = opened.read(2)
    suffix = file.suffix.lower()
    if head == b"PK" and suffix == ".zip":
        raise BodyFileError(f"{file} is an archive; unpack it and give the folder, or the model file in it")
    if suffix == ".npz" and head != b"PK":
        raise BodyFileError(f"{file} is damaged or not a .npz file{and_what_it_is(file)}")
    if head == b"PK":
        content = _read_npz(file)
    elif suffix in (".pkl", ".pickle", ".p") or head[:1] == b"\x80":
        with file.open("rb") as opened:
            content = _read_pickle(opened, file)
    else:
        found = and_what_it_is(file)
        raise BodyFileError(f"{file} is neither .npz nor .pkl{found}; other formats of body models are not read")
    missing = [key for key in NEEDED if key not in content]
    if missing:
        raise BodyFileError(f"{file} is no body model: it has no {', '.join(missing)}; it has {_listing_keys(content)}")
    keys = [*NEEDED, *(["posedirs"] if "posedirs" in content else [])]
    try:
        return {key: as_array(content[key], f"{file}: {key}") for key in keys}
    except PickleFileError as error:
        raise BodyFileError(str(error)) from None


def _listing_keys(content: dict[str, Any]) -> str:
    return ", ".join(sorted(str(key) for key in content)) or "nothing"


def _read_pickle(opened: io.BufferedIOBase, file: Path) -> dict[str, Any]:
    try:
        return read_pickle(opened, file, "a body model's dictionary")
    except PickleFileError as error:
        raise BodyFileError(str(error)) from None


def _read_npz(file: Path) -> dict[str, Any]:
    try:
        return read_arrays(file, (*NEEDED, "posedirs"))
    except InputError as error:
        raise BodyFileError(str(error)) from None


def _float(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _landmarks(v_template: torch.Tensor) -> tuple[list[str], torch.Tensor]:
    """Landmarks that are known vertices of the published meshes: names, and regressor (l, v)."""
    mesh = MESH_VERTICES.get(len(v_template))
    if mesh is None:
        return [], v_template.new_zeros(0, len(v_template))
    numbers = {name: vertex_ids[mesh][key] for name, key in _SMPLX_VERTICES.items()}
    if mesh in _HEAD_TOP:
        numbers["head_top"] = _HEAD_TOP[mesh]
    regressor = v_template.new_zeros(len(numbers), len(v_template))
    regressor[range(len(numbers)), list(numbers.values())] = 1.0
    return list(numbers), regressor
