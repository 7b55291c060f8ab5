"""Reads the result of another system: what wrote a file is recognised by the names in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render_fit.core.errors import InputError
from render_fit.exchange.checked_arrays import listing
from render_fit.exchange.containers import people_in, read_values
from render_fit.exchange.mesh_results import MESHES, anny, mesh_file, sam_3d_body
from render_fit.exchange.result import BodyResult, PinholeView
from render_fit.exchange.smpl_results import amass, check_frame, four_d_humans, phalp, romp, smplify_x, smplx_names
from render_fit.export.parameters import read_params

OWN = ("poses", "betas", "trans", "joints", "K", "image_size", "body")
"""Names in our own params.npz."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: System that writes it.
        needs: Names by which it is recognised.
        read: Function from the dictionary and the path to people.
        frames: Whether the function also takes the number of a frame.
    """

    name: str
    needs: tuple[str, ...]
    read: Callable[..., list[BodyResult]]
    frames: bool = False


KINDS: tuple[Kind, ...] = (
    Kind("SAM 3D Body", ("pred_vertices", "pred_cam_t", "pred_keypoints_3d", "body_pose_params"), sam_3d_body),
    Kind("SAM 3D Body", ("pred_vertices", "pred_cam_t", "focal_length", "pred_keypoints_3d"), sam_3d_body),
    Kind("Anny", ("vertices", "base_mesh_vertex_indices", "phenotypes"), anny),
    Kind("4D-Humans", ("pred_smpl_params",), four_d_humans),
    Kind("4D-Humans", ("global_orient", "body_pose", "pred_cam"), four_d_humans),
    Kind("4D-Humans", ("global_orient", "body_pose", "pred_cam_t"), four_d_humans),
    Kind("PHALP (4D-Humans)", ("smpl", "camera"), phalp),
    Kind("ROMP", ("smpl_thetas",), romp),
    Kind("SMPLify-X", ("global_orient", "body_pose", "camera_translation"), smplify_x),
    Kind("AMASS", ("poses", "trans"), amass, frames=True),
    Kind("smplx", ("global_orient", "body_pose"), smplx_names, frames=True),
)
"""Kinds of files; the first one whose names are all there is taken."""


def read_results(path: Path | str, *, photo: str | None = None, frame: int | None = None) -> list[BodyResult]:
    """Reads the people in a result of another system, or of our own.

    Args:
        path: An .npz file, a pickle, or a mesh (.obj, .ply, .stl, .glb).
        photo: Name of the photo that the people are wanted of, for files about many.
        frame: Number of the frame, for files about many; None: the photo's, or the first.

    Returns:
        At least one person.

    Raises:
        InputError: if the file cannot be read, is no result, or has no such frame or nobody in it.
    """
    path = Path(path)
    if path.is_dir() and (path / "params.npz").is_file():
        path = path / "params.npz"
    if path.suffix.lower() in MESHES:
        return mesh_file(path)
    values = read_values(path)
    if isinstance(values, Mapping) and set(OWN) <= values.keys():
        return [_own(path, photo, frame)]
    if isinstance(values, Mapping):
        values = _of_photo(values, photo, frame, path)
    found = [result for one, kind in _recognised(values) for result in _read(kind, one, path, frame)]
    if found:
        return found
    known = ", ".join(dict.fromkeys(kind.name for kind in KINDS))
    has = next((listing(one) for one in people_in(values)), "nothing")
    raise InputError(f"{path}: not a result that is known ({known}, or our params.npz); it has {has}")


def _read(kind: Kind, values: Mapping[str, Any], path: Path, frame: int | None) -> list[BodyResult]:
    return kind.read(values, path, frame or 0) if kind.frames else kind.read(values, path)


def _recognised(values: Any) -> list[tuple[Mapping[str, Any], Kind]]:
    """The dictionaries of a kind that is known; nothing inside of one that was recognised."""
    if isinstance(values, (list, tuple)):
        return [pair for value in values for pair in _recognised(value)]
    if not isinstance(values, Mapping):
        return []
    named = {str(key): value for key, value in values.items()}
    kind = next((kind for kind in KINDS if set(kind.needs) <= named.keys()), None)
    if kind is not None:
        return [(named, kind)]
    return [pair for value in named.values() for pair in _recognised(value)]


def _of_photo(values: Mapping[Any, Any], photo: str | None, frame: int | None, path: Path) -> Mapping[Any, Any]:
    """The entry of one frame, where a file has an entry for each frame; else the whole."""
    frames: Collection[str] = [str(key) for key, value in values.items() if isinstance(value, Mapping)]
    about_frames = len(frames) > 1 and all(Path(name).suffix for name in frames) and len(frames) == len(values)
    if not about_frames:
        return values
    named = {str(key): value for key, value in values.items()}
    if frame is None and photo is not None:
        same = [name for name in frames if Path(name).stem == Path(photo).stem]
        if not same:
            raise InputError(f"{path}: has {len(frames)} frames, none of {photo}; give its number with --start-frame")
        return {same[0]: named[same[0]]}
    check_frame(frame or 0, len(frames), path)
    name = sorted(frames)[frame or 0]
    return {name: named[name]}


def _own(path: Path, photo: str | None, frame: int | None) -> BodyResult:
    """A fit of ours: of the image of the same name, where it is of several."""
    saved = read_params(path)
    if frame is not None:
        check_frame(frame, len(saved.poses), path)
        saved = saved.frame(frame)
    elif len(saved.poses) > 1:
        names = [] if saved.image_names is None else [str(name) for name in saved.image_names]
        same = [index for index, name in enumerate(names) if photo and Path(name).stem == Path(photo).stem]
        saved = saved.frame(same[0] if same else saved.index_of(None, path) if names else 0)
    K = saved.K.astype(float)
    return BodyResult(
        "render-fit", saved.body, (), saved.poses[0].reshape(-1, 3).astype(float), saved.betas.astype(float),
        None if saved.offsets is None else saved.offsets.astype(float), saved.trans[0].astype(float),
        view=PinholeView(saved.joints[0, 0].astype(float), float(K[0, 0]), K[:2, 2]),
    )  # fmt: skip
