"""Small images and keypoint files that tests of the readers write."""

import json

import numpy as np
from PIL import Image

SIZE = (40, 60)


def write_image(path, array, mode=None):
    Image.fromarray(array, mode).save(path)
    return path


def square(value, dtype=np.uint8, background=0):
    """``value`` in a square of 10 × 10 pixels, the background elsewhere."""
    array = np.full(SIZE, background, dtype=dtype)
    array[10:20, 30:40] = value
    return array


def write_palette(path, indices, colours):
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette([value for colour in colours for value in colour])
    image.save(path)
    return path


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


# A person who stands, 2 × 4 px per unit: joint → (x, y), for keypoints in any order.
STANDING = {
    "nose": (10, 2), "left_eye": (11, 1), "right_eye": (9, 1), "left_ear": (12, 2), "right_ear": (8, 2),
    "left_shoulder": (13, 5), "right_shoulder": (7, 5), "left_elbow": (14, 9), "right_elbow": (6, 9),
    "left_wrist": (15, 13), "right_wrist": (5, 13), "left_hip": (12, 13), "right_hip": (8, 13),
    "left_knee": (12, 19), "right_knee": (8, 19), "left_ankle": (12, 25), "right_ankle": (8, 25),
    "neck": (10, 4), "mid_hip": (10, 13.5), "pelvis": (10, 13.5), "head_top": (10, 0.5),
    "left_big_toe": (13, 26), "right_big_toe": (7, 26), "left_small_toe": (13.5, 26), "right_small_toe": (6.5, 26),
    "left_heel": (12, 26.5), "right_heel": (8, 26.5), "thorax": (10, 5), "spine": (10, 9), "jaw": (10, 3),
}  # fmt: skip


def standing(joints, *, score=0.9, scale=1.0, left=1.0, top=1.0):
    """Flat x, y, score of the standing person; what it lacks is (0, 0) with score 0."""
    rows = []
    for joint in joints:
        x, y = STANDING.get(joint, (None, None))
        rows += [0.0, 0.0, 0.0] if x is None else [scale * (x + left), scale * (y + top), score]
    return rows
