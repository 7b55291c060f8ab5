"""Single annotated photos of the data folder that the project's experiments use (`datasets.images`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from render_fit.core.errors import InputError
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, MaskSource

_NAMES = ("coco", "ccp", "h36m", "mpi_inf_3dhp", "octopus")


def looks_like_samples(path: Path) -> bool:
    """Whether a path is one of the data folder's folders, or the whole."""
    return path.is_dir() and bool(_datasets(path)) and not (path / "sequenceFiles").exists()


def _datasets(path: Path) -> tuple[Path, list[str]] | None:
    if path.name in _NAMES and (any(path.glob("*.json")) or any(path.glob("*_labels.png"))):
        return path.parent, [path.name]
    inside = [name for name in _NAMES if (path / name).is_dir()]
    return (path, inside) if len(inside) > 1 else None


def read_samples(path: Path) -> list[AnnotatedPerson]:
    """Reads the photos of a folder such as ``h36m``, or of all.

    Raises:
        InputError: if there are none, or an annotation is damaged.
    """
    from render_fit.datasets.images import READERS, PhotoSample

    def box(sample: PhotoSample) -> np.ndarray | None:
        try:
            return sample.reference_box.numpy().astype(np.float64)
        except ValueError:  # neither box, mask nor keypoints
            return None

    def person(sample: PhotoSample, number: int) -> AnnotatedPerson:
        confidence, points, joints = sample.confidence, sample.keypoints_px, sample.joints_camera
        known = None if confidence is None else confidence.numpy() > 0
        mask_file = sample.mask_path if sample.dataset == "coco" else None
        return AnnotatedPerson(
            image=f"{sample.dataset}/{sample.image_path.name}",
            image_path=sample.image_path,
            person=number,
            image_size=(sample.height, sample.width),
            box_xywh=box(sample),
            keypoint_set=sample.skeleton,
            keypoints_px=None if points is None else points.numpy().astype(np.float64),
            keypoints_known=known,
            joint_set=None if joints is None else sample.skeleton,
            joints=None if joints is None else joints.numpy().astype(np.float64),
            joints_known=None if joints is None else known,
            K=None if sample.camera is None else sample.camera.K[0].numpy().astype(np.float64),
            mask=None if mask_file is None else MaskSource(path=mask_file),
        )

    found = _datasets(path)
    if found is None:
        raise InputError(f"{path}: expected the data folder of the experiments, or one of {', '.join(_NAMES)} in it")
    folder, names = found
    people: list[AnnotatedPerson] = []
    count: dict[Path, int] = {}
    for name in names:
        try:
            samples = READERS[name](folder)
        except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"{folder / name}: damaged or incomplete ({type(error).__name__}: {error})") from None
        for sample in samples:
            people.append(person(sample, count.get(sample.image_path, 0)))
            count[sample.image_path] = count.get(sample.image_path, 0) + 1
    return people
