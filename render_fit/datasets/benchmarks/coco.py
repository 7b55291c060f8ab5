"""COCO's keypoint annotations: JSON with images and people, 17 clicked keypoints, boxes and mask polygons.

Source: cocodataset.org, "Data format"; pycocotools, ``coco.py``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17
from render_fit.core.text_files import read_json
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson, MaskSource, found_image

_HEAD = 1 << 16


def looks_like_coco(path: Path) -> bool:
    """Whether a path is a JSON file with COCO's keys near its beginning or in its name."""
    if path.suffix != ".json" or not path.is_file():
        return False
    if path.name.startswith("person_keypoints_"):
        return True
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return b'"annotations"' in head and b'"keypoints"' in head and b'"smplx_param_path"' not in head


def read_coco(path: Path) -> list[AnnotatedPerson]:
    """Reads all people with at least one keypoint; crowds are left out.

    Raises:
        InputError: if the file is missing, no JSON, or not of this form.
    """
    content = read_json(path, "COCO's keypoint annotations")
    try:
        images = {image["id"]: image for image in content["images"]}
        chosen = [one for one in content["annotations"] if not one.get("iscrowd") and any(one["keypoints"][2::3])]
        count: Counter[str] = Counter()
        people = []
        for one in chosen:
            image = images[one["image_id"]]
            people.append(_person(path, image, one, count[image["file_name"]]))
            count[image["file_name"]] += 1
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not COCO's keypoint annotations ({type(error).__name__}: {error})") from None
    return people


def _person(path: Path, image: dict[str, Any], one: dict[str, Any], number: int) -> AnnotatedPerson:
    keypoints = np.asarray(one["keypoints"], dtype=np.float64).reshape(17, 3)
    name, polygons = str(image["file_name"]), one.get("segmentation")
    masks = None
    if isinstance(polygons, list) and polygons:
        masks = MaskSource(polygons=tuple(np.asarray(p, dtype=np.float64).reshape(-1, 2) for p in polygons))
    split = path.stem.removeprefix("person_keypoints_")
    return AnnotatedPerson(
        image=name,
        image_path=found_image(path.parent, name, f"{split}/{name}", f"images/{name}", f"images/{split}/{name}"),
        person=number,
        image_size=(int(image["height"]), int(image["width"])) if "height" in image and "width" in image else None,
        box_xywh=np.asarray(one["bbox"], dtype=np.float64).reshape(4) if "bbox" in one else None,
        keypoint_set=COCO_17,
        keypoints_px=keypoints[:, :2],
        keypoints_known=keypoints[:, 2] > 0,
        mask=masks,
    )
