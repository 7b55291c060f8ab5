"""Conversion of the 58 labels of Clothing Co-Parsing (CCP) to ATR's, the label maps that human parsers write.

CCP has one label for skin and one for each kind of shoe, ATR divides both into parts of the body. Which part it is
follows from the nearest bone between keypoints.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from render_fit.core.parts import ATR, NBF_12
from render_fit.datasets.images import PhotoSample
from render_fit.observations.observation import Observation
from render_fit.observations.parts_from_keypoints import parts_from_keypoints

LIMB = "limb"
"""Becomes ``left-arm``, ``right-arm``, ``left-leg``, ``right-leg`` or ``face``, by the nearest bone."""

SHOE = "shoe"
"""Becomes ``left-shoe`` or ``right-shoe``, by the nearest bone."""

CCP_TO_ATR: dict[str, str] = {
    **dict.fromkeys(("null", "accessories"), "background"),
    **dict.fromkeys(("bag", "purse", "wallet"), "bag"),
    **dict.fromkeys(("skin", "bracelet", "ring", "watch", "gloves", "socks", "stockings", "tights"), LIMB),
    **dict.fromkeys(("earrings", "necklace"), "face"),
    **dict.fromkeys(
        ("boots", "clogs", "flats", "heels", "loafers", "pumps", "sandals", "shoes", "sneakers", "wedges"), SHOE
    ),
    **dict.fromkeys(("glasses", "sunglasses"), "sunglasses"),
    **dict.fromkeys(("jeans", "leggings", "pants", "shorts"), "pants"),
    **dict.fromkeys(("dress", "romper"), "dress"),
    **{name: name for name in ("belt", "hair", "hat", "scarf", "skirt")},
    **dict.fromkeys(
        (
            "blazer", "blouse", "bodysuit", "bra", "cape", "cardigan", "coat", "hoodie", "intimate", "jacket", "jumper",
            "panties", "shirt", "suit", "sweater", "sweatshirt", "swimwear", "t-shirt", "tie", "top", "vest",
        ),
        "upper-clothes",
    ),
}  # fmt: skip
"""Label of ATR of each label of CCP. ATR has no label for the skin of the trunk; it becomes ``upper-clothes``."""

_OF_BONE = {
    LIMB: {
        **dict.fromkeys(("head", "neck"), "face"),
        **dict.fromkeys(("upper torso", "lower torso"), "upper-clothes"),
        **{f"{side} {place} {limb}": f"{side}-{limb}" for side in ("left", "right") for place in ("upper", "lower")
           for limb in ("arm", "leg")},
    },
    SHOE: {f"{side} {bone}": f"{side}-shoe" for side in ("left", "right")
           for bone in ("upper leg", "lower leg", "upper arm", "lower arm")},
}  # fmt: skip


def ccp_as_atr(sample: PhotoSample, observed: Observation) -> Int[Tensor, "h w"]:
    """Converts the human labels of a street photo of `datasets.images.read_ccp`.

    Args:
        sample: The photo.
        observed: Observation of the same photo, at its full size, with keypoints.

    Returns:
        (H, W) labels of `core.parts.ATR`.

    Raises:
        ValueError: if the observation has no keypoints.
    """
    if observed.keypoints_px is None or observed.confidence is None or observed.skeleton is None:
        raise ValueError(f"{sample.name}: expected keypoints, which divide skin into limbs")
    assert sample.mask is not None
    names = json.loads(sample.image_path.with_name("labels.json").read_text())
    labels = np.array(Image.open(sample.image_path.with_name(f"{sample.name}_labels.png")))
    bones = parts_from_keypoints(sample.mask.float(), observed.keypoints_px, observed.confidence, observed.skeleton)
    converted = np.zeros(labels.shape, dtype=np.int64)
    for number, name in enumerate(names):
        here, target = labels == number, CCP_TO_ATR[name]
        if target not in _OF_BONE:
            converted[here] = ATR.labels.index(target)
        elif bones is not None:
            for bone, limb in _OF_BONE[target].items():
                converted[here & (bones.numpy() == NBF_12.labels.index(bone))] = ATR.labels.index(limb)
    return torch.from_numpy(converted)


def with_ccp_labels(sample: PhotoSample, observed: Observation) -> Observation:
    """The observation with the human mask and the human labels in place of the observer's."""
    assert sample.mask is not None
    labels = ccp_as_atr(sample, observed)
    source = {**observed.source, "mask": "human", "parts": "human"}
    return replace(observed, mask=sample.mask.float(), labels=labels, part_space=ATR, source=source)
