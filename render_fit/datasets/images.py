"""Readers of annotated research photos: COCO, CCP, UP-3D, Human3.6M, MPI-INF-3DHP and Octopus.

The photos stay outside the repository. Each reader takes the folder with ``coco/``, ``ccp/``, … and returns
``PhotoSample``s in a fixed order. Annotations that a dataset does not have are None.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from render_fit.core.cameras import Camera
from render_fit.core.skeletons import BODY_25, COCO_17, H36M_17, MPI_INF_3DHP_17, Skeleton

DATA_VARIABLE = "RENDER_FIT_DATA"
"""Environment variable with the path of the data folder."""

CCP_NOT_PERSON = (0, 1, 2, 33, 56)
"""Labels of Clothing Co-Parsing that are not part of the person: null, accessories, bag, purse, wallet."""


@dataclass(frozen=True)
class PhotoSample:
    """One annotated person in one photo.

    Attributes:
        dataset: Name of the dataset.
        name: Name of the person, unique within the dataset.
        image_path: File of the photo.
        height: Height of the photo, pixels.
        width: Width of the photo, pixels.
        mask: (H, W) human annotation of the person's pixels, or None.
        mask_path: File of that mask, or None.
        skeleton: Joint set of the keypoints, or None.
        keypoints_px: (K, 2) pixels, or None; rows of confidence 0 are undefined.
        confidence: (K,) 1 where a keypoint is annotated, or None.
        keypoints_path: File of the keypoints if it has a public format, or None.
        box_xywh: (4,) box of the person, pixels, or None.
        camera: Camera of the photo (full image), or None.
        joints_camera: (K, 3) true 3D joints of ``skeleton``, camera coordinates, metres, or None.
    """

    dataset: str
    name: str
    image_path: Path
    height: int
    width: int
    mask: Bool[Tensor, "h w"] | None = None
    mask_path: Path | None = None
    skeleton: Skeleton | None = None
    keypoints_px: Float[Tensor, "k 2"] | None = None
    confidence: Float[Tensor, "k"] | None = None
    keypoints_path: Path | None = None
    box_xywh: Float[Tensor, "4"] | None = None
    camera: Camera | None = None
    joints_camera: Float[Tensor, "k 3"] | None = None

    @property
    def reference_box(self) -> Float[Tensor, "4"]:
        """(4,) box by which errors are normalised: annotated, else of the mask, else of the keypoints."""
        if self.box_xywh is not None:
            return self.box_xywh
        if self.mask is not None:
            rows, columns = torch.nonzero(self.mask, as_tuple=True)
            low = torch.stack([columns.min(), rows.min()]).float()
            return torch.cat([low, torch.stack([columns.max(), rows.max()]).float() + 1 - low])
        if self.keypoints_px is None or self.confidence is None:
            raise ValueError(f"{self.dataset}/{self.name}: expected a box, a mask or keypoints, got none of them")
        points = self.keypoints_px[self.confidence > 0]
        low = points.amin(dim=0)
        return torch.cat([low, points.amax(dim=0) - low])


def data_folder(path: Path | str | None = None) -> Path:
    """Existing folder of the research data.

    Args:
        path: Path of the folder. If None, the environment variable RENDER_FIT_DATA is used, else ``../shared/data``
            next to the repository.

    Raises:
        FileNotFoundError: if the folder does not exist; the message contains its path.
    """
    beside_repository = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(path or os.environ.get(DATA_VARIABLE) or beside_repository)
    if not folder.is_dir():
        raise FileNotFoundError(f"research data: no folder {folder}; pass --data FOLDER or set {DATA_VARIABLE}")
    return folder


def _image_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.height, image.width


def _read_mask(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("L")) > 127)


def read_coco(folder: Path) -> tuple[PhotoSample, ...]:
    """19 people of COCO 2017, each with a polygon mask, 17 keypoints and a box."""
    samples = []
    for entry in json.loads((folder / "coco" / "index.json").read_text()):
        stem = folder / "coco" / entry["name"]
        keypoints_path = Path(f"{stem}_keypoints.json")
        person = json.loads(keypoints_path.read_text())["annotations"][0]
        keypoints = torch.tensor(person["keypoints"], dtype=torch.float32).reshape(17, 3)
        samples.append(
            PhotoSample(
                dataset="coco",
                name=entry["name"],
                image_path=folder / "coco" / entry["image"],
                height=entry["H"],
                width=entry["W"],
                mask=_read_mask(Path(f"{stem}_mask.png")),
                mask_path=Path(f"{stem}_mask.png"),
                skeleton=COCO_17,
                keypoints_px=keypoints[:, :2],
                # v = 2: visible, v = 1: hidden but annotated, v = 0: not annotated.
                confidence=(keypoints[:, 2] > 0).float(),
                keypoints_path=keypoints_path,
                box_xywh=torch.tensor(entry["bbox"], dtype=torch.float32),
            )
        )
    return tuple(samples)


def read_ccp(folder: Path) -> tuple[PhotoSample, ...]:
    """30 street photos of Clothing Co-Parsing; the mask is the union of all body and garment labels."""
    samples = []
    for labels_path in sorted((folder / "ccp").glob("*_labels.png")):
        labels = np.array(Image.open(labels_path))
        name = labels_path.stem.removesuffix("_labels")
        samples.append(
            PhotoSample(
                dataset="ccp",
                name=name,
                image_path=labels_path.with_name(f"{name}.jpg"),
                height=labels.shape[0],
                width=labels.shape[1],
                mask=torch.from_numpy(~np.isin(labels, CCP_NOT_PERSON)),
            )
        )
    return tuple(samples)


def ccp_pixels(sample: PhotoSample, labels: Collection[str]) -> Bool[Tensor, "h w"]:
    """Pixels of a street photo of `read_ccp` with one of some labels.

    Args:
        sample: The photo.
        labels: Names in ``ccp/labels.json``: garments, ``skin``, ``hair`` and others.

    Returns:
        (H, W).

    Raises:
        ValueError: if there is no such label.
    """
    names = json.loads(sample.image_path.with_name("labels.json").read_text())
    labelled = np.array(Image.open(sample.image_path.with_name(f"{sample.name}_labels.png")))
    return torch.from_numpy(np.isin(labelled, [names.index(label) for label in labels]))


def read_up3d(folder: Path) -> tuple[PhotoSample, ...]:
    """24 sports photos without annotation."""
    samples = []
    for path in sorted((folder / "up3d_photos").glob("*_image.png")):
        height, width = _image_size(path)
        name = path.stem.removesuffix("_image")
        samples.append(PhotoSample(dataset="up3d", name=name, image_path=path, height=height, width=width))
    return tuple(samples)


def _read_3d(folder: Path, dataset: str, skeleton: Skeleton) -> tuple[PhotoSample, ...]:
    samples = []
    for path in sorted((folder / dataset).glob("*.json")):
        frame = json.loads(path.read_text())
        image_path = path.parent / frame["image"]
        height, width = _image_size(image_path)
        joints = torch.tensor(frame["joints_camera_m"], dtype=torch.float32)
        K = torch.cat([torch.tensor(frame["K_2x3"]), torch.tensor([[0.0, 0.0, 1.0]])])[None]
        samples.append(
            PhotoSample(
                dataset=dataset,
                name=path.stem,
                image_path=image_path,
                height=height,
                width=width,
                skeleton=skeleton,
                keypoints_px=torch.tensor(frame["joints_px"], dtype=torch.float32),
                confidence=torch.ones(len(joints)),
                camera=Camera(K, height, width),
                joints_camera=joints,
            )
        )
    return tuple(samples)


def read_h36m(folder: Path) -> tuple[PhotoSample, ...]:
    """2 frames of Human3.6M with motion-capture joints."""
    return _read_3d(folder, "h36m", H36M_17)


def read_mpi_inf_3dhp(folder: Path) -> tuple[PhotoSample, ...]:
    """2 frames of MPI-INF-3DHP with marker-less multi-view joints."""
    return _read_3d(folder, "mpi_inf_3dhp", MPI_INF_3DHP_17)


def read_octopus(folder: Path) -> tuple[PhotoSample, ...]:
    """8 frames of a turning man (Octopus) with OpenPose keypoints; ``mask_path`` is an RGB map of 20 classes.

    Black pixels of the map are background.
    """
    samples = []
    for path in sorted((folder / "octopus" / "frames").glob("*.png")):
        keypoints_path = folder / "octopus" / "keypoints" / f"{path.stem}_keypoints.json"
        person = json.loads(keypoints_path.read_text())["people"][0]
        keypoints = torch.tensor(person["pose_keypoints_2d"], dtype=torch.float32).reshape(25, 3)
        parts_path = folder / "octopus" / "segmentations" / path.name
        colours = np.array(Image.open(parts_path).convert("RGB"))
        samples.append(
            PhotoSample(
                dataset="octopus",
                name=path.stem,
                image_path=path,
                height=colours.shape[0],
                width=colours.shape[1],
                mask=torch.from_numpy(colours.any(axis=2)),
                mask_path=parts_path,
                skeleton=BODY_25,
                keypoints_px=keypoints[:, :2],
                confidence=keypoints[:, 2],
                keypoints_path=keypoints_path,
            )
        )
    return tuple(samples)


READERS: dict[str, Callable[[Path], tuple[PhotoSample, ...]]] = {
    "coco": read_coco,
    "ccp": read_ccp,
    "up3d": read_up3d,
    "h36m": read_h36m,
    "mpi_inf_3dhp": read_mpi_inf_3dhp,
    "octopus": read_octopus,
}
