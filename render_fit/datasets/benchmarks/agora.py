"""AGORA as JSON: people in rendered images, with 2D and 3D joints of SMPL or SMPL-X in the frame of the camera.

DATASET is ``AGORA_validation.json`` (or ``train``) or the folder with it. AGORA publishes pandas data frames in
pickles, which cannot be read safely; Hand4Whole's ``agora2coco.py`` converts them to this form. People who are not
valid (occluded by more than 90 %) are left out.

Source: mmhuman3d, data_converters/agora.py; mks0601/Hand4Whole_RELEASE, data/AGORA; agora_evaluation,
docs/gt_dataframe.md.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from render_fit.core.errors import InputError
from render_fit.core.skeletons import SMPL_24
from render_fit.core.text_files import read_json
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, found_image

FULL_SIZE = (2160, 3840)
"""Height and width of the images to which pixels in the file refer."""


def looks_like_agora(path: Path) -> bool:
    """Whether a path is one of AGORA's JSON files or a folder with one."""
    return bool(_files(path)) if path.is_dir() else path.match("AGORA_*.json")


def _files(folder: Path) -> list[Path]:
    return [one for split in ("validation", "test", "train") if (one := folder / f"AGORA_{split}.json").is_file()]


def read_agora(path: Path) -> list[AnnotatedPerson]:
    """Reads the validation part of a folder, or a file.

    Raises:
        InputError: if it is missing, no JSON, or not of this form.
    """
    file = path if path.is_file() else next(iter(_files(path)), path / "AGORA_validation.json")
    content = read_json(file, "AGORA's annotations")
    try:
        images = {image["id"]: image for image in content["images"]}
        count: Counter[str] = Counter()
        people = []
        for one in content["annotations"]:
            if str(one.get("is_valid", True)) == "True":
                name = str(images[one["image_id"]]["file_name_3840x2160"])
                people.append(_person(file, name, one, count[name]))
                count[name] += 1
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: not AGORA's annotations ({type(error).__name__}: {error})") from None
    return people


def _person(file: Path, name: str, one: dict[str, Any], number: int) -> AnnotatedPerson:
    joints, joints_known = _joints(file.parent, one, "3d", 3)
    points, points_known = _joints(file.parent, one, "2d", 2)
    return AnnotatedPerson(
        image=name,
        image_path=found_image(file.parent, name),
        person=number,
        image_size=FULL_SIZE,
        box_xywh=np.asarray(one["bbox"], dtype=np.float64).reshape(4),
        keypoint_set=None if points is None else SMPL_24,
        keypoints_px=points,
        keypoints_known=points_known,
        joint_set=None if joints is None else SMPL_24,
        joints=joints,
        joints_known=joints_known,
    )


def _joints(folder: Path, one: dict[str, Any], kind: str, size: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """SMPL's 24 joints, of SMPL-X the 22 that it shares, from the file that an annotation names; None without one."""
    for model, n in (("smpl", 24), ("smplx", 22)):
        key = f"{model}_joints_{kind}_path"
        if key in one and (folder / one[key]).is_file():
            values = np.asarray(read_json(folder / one[key], "joints of AGORA"), dtype=np.float64).reshape(-1, size)
            found = np.zeros((24, size))
            found[:n] = values[:n]
            return found, np.arange(24) < n
    return None, None
