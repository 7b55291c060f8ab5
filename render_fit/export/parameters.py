"""``params.npz``: parameters of a fit, with the names that SMPL tools use."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from render_fit.bodies import BodyParameters
from render_fit.core.array_files import read_arrays, write_arrays
from render_fit.core.cameras import Camera, check_camera
from render_fit.core.errors import InputError

MOST_SIDE_PX = 1_000_000
"""Longest side of a photo in ``params.npz``, pixels."""


LARGEST_NUMBER = 1e5
"""Largest number in ``params.npz`` but for K: radians, standard deviations, metres. Float32 has centimetres there."""


@dataclass(frozen=True)
class SavedFit:
    """Content of ``params.npz``; the attributes are the keys of the file.

    Attributes:
        poses: (N, 3 J) axis-angle, radians, global rotation first, then smplx's order. N is 1 for a photo.
        betas: (B,) shape coefficients of the body, shared by all frames.
        trans: (N, 3) metres, added after posing.
        joints: (N, J, 3) camera coordinates, metres.
        K: (3, 3) intrinsics in pixels of the full image.
        image_size: (height, width) of the full image, pixels.
        body: Name of the body, or the path that it was loaded from.
        offsets: (V, 3) metres, added to the rest-pose vertices before posing (SMPL+D); None without clothing.
        betas_covariance: (B, B) covariance of the shape coefficients given the evidence of the fit; None if not known.
    """

    poses: Float[np.ndarray, "n p"]
    betas: Float[np.ndarray, "s"]
    trans: Float[np.ndarray, "n 3"]
    joints: Float[np.ndarray, "n j 3"]
    K: Float[np.ndarray, "3 3"]
    image_size: tuple[int, int]
    body: str
    offsets: Float[np.ndarray, "v 3"] | None = None
    betas_covariance: Float[np.ndarray, "s s"] | None = None

    def parameters(self) -> BodyParameters:
        """Body parameters of N bodies."""
        n = len(self.poses)
        offsets = None if self.offsets is None else torch.from_numpy(self.offsets)[None].expand(n, -1, -1)
        return BodyParameters.from_rotvec(
            torch.from_numpy(self.poses).reshape(n, -1, 3),
            torch.from_numpy(self.betas)[None].expand(n, -1),
            torch.from_numpy(self.trans),
            offsets,
        )

    def camera(self) -> Camera:
        """Camera of the full image, repeated for each body."""
        return Camera(torch.from_numpy(self.K)[None].expand(len(self.poses), 3, 3), *self.image_size)


def write_params(path: Path | str, saved: SavedFit) -> Path:
    """Writes ``params.npz`` atomically (compressed; float32)."""
    return write_arrays(path, **{key: np.asarray(value) for key, value in vars(saved).items() if value is not None})


def read_params(path: Path | str) -> SavedFit:
    """Reads ``params.npz``.

    Raises:
        InputError: if the file is missing, is not an npz file, or lacks an array.
    """
    path = Path(path)
    try:
        arrays = read_arrays(path)
    except InputError as error:
        raise InputError(f"{error}; expected the params.npz of a fit") from None
    missing = {field.name for field in fields(SavedFit) if field.default is MISSING} - arrays.keys()
    if missing:
        raise InputError(f"{path}: not the params.npz of a fit; it lacks {', '.join(sorted(missing))}")
    body = str(arrays.pop("body"))
    try:
        height, width = (int(length) for length in arrays.pop("image_size"))
        present = [field.name for field in fields(SavedFit) if field.name in arrays]
        floats = {name: arrays[name].astype(np.float32) for name in present}
    except (OverflowError, TypeError, ValueError):
        raise InputError(f"{path}: not the params.npz of a fit; its entries are of other types") from None
    if not all(1 <= side <= MOST_SIDE_PX for side in (height, width)):
        raise InputError(f"{path}: not the params.npz of a fit; image_size is {height}, {width}")
    _check(floats, path)
    saved = SavedFit(**floats, image_size=(height, width), body=body)
    check_camera(saved.camera(), str(path))
    return saved


def _check(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Raises InputError if arrays of a file do not belong together, or are not finite."""
    n = len(arrays["poses"]) if arrays["poses"].ndim else 0
    betas = arrays["betas"].size
    expected = {
        "poses": (n, None),
        "betas": (None,),
        "trans": (n, 3),
        "joints": (n, None, 3),
        "K": (3, 3),
        "offsets": (None, 3),
        "betas_covariance": (betas, betas),
    }
    for name, array in arrays.items():
        shape = expected[name]
        if array.ndim != len(shape) or any(
            want not in (None, has) for want, has in zip(shape, array.shape, strict=True)
        ):
            raise InputError(f"{path}: not the params.npz of a fit; {name} has the shape {array.shape}")
        if not bool(np.isfinite(array).all()):
            raise InputError(f"{path}: {name} contain values that are not finite; did the fit fail?")
        if float(np.abs(array).max(initial=0.0)) > LARGEST_NUMBER and name != "K":
            raise InputError(f"{path}: {name} contain values up to {float(np.abs(array).max()):.3g}; no fit has those")
    if n == 0 or arrays["poses"].shape[1] % 3 or arrays["poses"].shape[1] == 0:
        raise InputError(f"{path}: not the params.npz of a fit; poses has the shape {arrays['poses'].shape}")


def saved_fit(parameters: BodyParameters, joints: torch.Tensor, camera: Camera, body: str) -> SavedFit:
    """Converts parameters, joints and camera to the content of ``params.npz``.

    Args:
        parameters: N bodies that share betas and offsets (frames of one person), in camera coordinates of the full
            image.
        joints: (N, J, 3) metres, camera coordinates.
        camera: Camera of the full image.
        body: Name of the body.

    Returns:
        The values as numpy arrays, float32.
    """

    def array(tensor: torch.Tensor) -> np.ndarray:
        return tensor.detach().cpu().numpy().astype(np.float32)

    return SavedFit(
        poses=array(parameters.pose.flatten(1)),
        betas=array(parameters.betas[0]),
        trans=array(parameters.transl),
        joints=array(joints),
        K=array(camera.K[0]),
        image_size=(camera.height, camera.width),
        body=body,
        offsets=None if parameters.offsets is None else array(parameters.offsets[0]),
    )
