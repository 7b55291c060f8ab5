"""``params.npz``: parameters of a fit, with the names that SMPL tools use."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped

from render_fit.bodies import BodyParameters
from render_fit.core.array_files import read_arrays, write_arrays
from render_fit.core.cameras import Camera, check_camera
from render_fit.core.errors import InputError

MOST_SIDE_PX = 1_000_000
"""Longest side of a photo in ``params.npz``, pixels."""


LARGEST_NUMBER = 1e5
"""Largest number in ``params.npz`` but for K: radians, standard deviations, metres. Float32 has centimetres there."""


SHAPES = {
    "poses": ("n", None),
    "betas": (None,),
    "trans": ("n", 3),
    "joints": ("n", None, 3),
    "K": (3, 3),
    "offsets": (None, 3),
    "betas_covariance": ("b", "b"),
    "joints_covariance": ("n", "j", 3, 3),
}
"""Arrays of numbers in ``params.npz``, and their shapes; None: any length."""

IMAGES = ("image_names", "image_sizes", "found", "fps")
"""What ``params.npz`` has besides for a person in several images."""


@dataclass(frozen=True)
class SavedFit:
    """Content of ``params.npz``; the attributes are the keys of the file.

    Attributes:
        poses: (N, 3 J) axis-angle, radians, global rotation first, then smplx's order. N is 1 for a photo.
        betas: (B,) shape coefficients of the body, shared by all frames.
        trans: (N, 3) metres, added after posing.
        joints: (N, J, 3) camera coordinates, metres.
        K: (3, 3) intrinsics in pixels of the full image, or (N, 3, 3) of each image.
        image_size: (height, width) of the full image, pixels.
        body: Name of the body, or the path that it was loaded from.
        offsets: (V, 3) metres, added to the rest-pose vertices before posing (SMPL+D); None without clothing.
        betas_covariance: (B, B) covariance of the shape; None where it was not estimated.
        joints_covariance: (N, J, 3, 3) covariance of the pelvis in camera coordinates, and of each other joint's
            position relative to the pelvis, in the axes of the camera; squared metres. None where it was not estimated.
        image_names: (N,) names of the images, for a person in several; so are the next ones.
        image_sizes: (N, 2) height and width of each, pixels.
        found: (N,) whether the person was found in each; what the others contain is made up.
        fps: Frames a second, for a video.
    """

    poses: Float[np.ndarray, "n p"]
    betas: Float[np.ndarray, "s"]
    trans: Float[np.ndarray, "n 3"]
    joints: Float[np.ndarray, "n j 3"]
    K: Float[np.ndarray, "*n 3 3"]
    image_size: tuple[int, int]
    body: str
    offsets: Float[np.ndarray, "v 3"] | None = None
    betas_covariance: Float[np.ndarray, "s s"] | None = None
    joints_covariance: Float[np.ndarray, "n j 3 3"] | None = None
    image_names: Shaped[np.ndarray, "n"] | None = None
    image_sizes: Int[np.ndarray, "n 2"] | None = None
    found: Bool[np.ndarray, "n"] | None = None
    fps: float | None = None

    def frame(self, index: int) -> SavedFit:
        """One image of a person in several, as the fit of a photo."""
        size = self.image_size if self.image_sizes is None else tuple(int(side) for side in self.image_sizes[index])
        return SavedFit(
            poses=self.poses[index : index + 1],
            betas=self.betas,
            trans=self.trans[index : index + 1],
            joints=self.joints[index : index + 1],
            K=self.K if self.K.ndim == 2 else self.K[index],
            image_size=(size[0], size[1]),
            body=self.body,
            offsets=self.offsets,
            betas_covariance=self.betas_covariance,
            joints_covariance=None if self.joints_covariance is None else self.joints_covariance[index : index + 1],
        )

    def index_of(self, name: str | None, path: Path | str) -> int:
        """Place of an image of a person in several; of the first one with the person if None.

        Raises:
            InputError: if there is no image of that name, or the person was not found in it.
        """
        names = [] if self.image_names is None else [str(one) for one in self.image_names]
        found = [one for index, one in enumerate(names) if self.found is None or self.found[index]]
        chosen = found[0] if name is None and found else name
        if chosen not in found:
            shown = ", ".join(found[:8]) + (", …" if len(found) > 8 else "")
            raise InputError(f"{path}: no image {chosen!r} with the person; there are {shown or 'none'}")
        return names.index(chosen)

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
        """Camera of the full image, one for each body; of images of different sizes, see `frame`."""
        return Camera(torch.from_numpy(self.K).expand(len(self.poses), 3, 3), *self.image_size)


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
        floats = {name: arrays[name].astype(np.float32) for name in SHAPES if name in arrays}
        others = _about_images({name: arrays[name] for name in IMAGES if name in arrays}, len(floats["poses"]))
    except (OverflowError, TypeError, ValueError):
        raise InputError(f"{path}: not the params.npz of a fit; its entries are of other types") from None
    if not all(1 <= side <= MOST_SIDE_PX for side in (height, width)):
        raise InputError(f"{path}: not the params.npz of a fit; image_size is {height}, {width}")
    _check(floats, path)
    saved = SavedFit(**floats, **others, image_size=(height, width), body=body)
    for index in range(len(saved.poses) if saved.K.ndim == 3 else 1):
        check_camera(saved.frame(index).camera(), str(path))
    return saved


def _about_images(arrays: dict[str, np.ndarray], n: int) -> dict[str, Any]:
    """The entries about N images.

    Raises:
        ValueError: if one of them is of another type or shape.
    """
    types = {"image_names": np.str_, "image_sizes": np.int64, "found": np.bool_}
    values: dict[str, Any] = {name: arrays[name].astype(types[name]) for name in types if name in arrays}
    for name, value in values.items():
        if value.shape != ((n, 2) if name == "image_sizes" else (n,)):
            raise ValueError(f"{name}: {value.shape}")
    if "fps" in arrays:
        values["fps"] = float(arrays["fps"])
        if not 0 < values["fps"] < 10_000:
            raise ValueError(f"fps: {values['fps']}")
    return values


def _check(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Raises InputError if arrays of a file do not belong together, or are not finite."""
    n = len(arrays["poses"]) if arrays["poses"].ndim else 0
    joints = arrays["joints"].shape[1] if arrays["joints"].ndim == 3 else 0
    lengths = {"n": n, "b": arrays["betas"].size, "j": joints}
    for name, array in arrays.items():
        shape = [lengths.get(want, want) for want in SHAPES[name]]
        if name == "K" and array.ndim == 3:
            shape = [n, *shape]
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


def saved_fit(
    parameters: BodyParameters,
    joints: torch.Tensor,
    camera: Camera,
    body: str,
    betas_covariance: torch.Tensor | None = None,
    joints_covariance: torch.Tensor | None = None,
) -> SavedFit:
    """Converts parameters, joints and camera to the content of ``params.npz``.

    Args:
        parameters: N bodies that share betas and offsets (frames of one person), in camera coordinates of the full
            image.
        joints: (N, J, 3) metres, camera coordinates.
        camera: Camera of the full image.
        body: Name of the body.
        betas_covariance: (B, B), if it was estimated.
        joints_covariance: (N, J, 3, 3) squared metres, if it was estimated.

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
        betas_covariance=None if betas_covariance is None else array(betas_covariance),
        joints_covariance=None if joints_covariance is None else array(joints_covariance),
    )
