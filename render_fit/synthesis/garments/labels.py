"""Labels of clothes, hair and skin in the label spaces that have clothing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from render_fit.core.parts import PartSpace
from render_fit.core.skeletons import SMPL_24

LABELS: dict[str, dict[str, str]] = {
    "hair": {"atr": "hair", "lip": "hair"},
    "hat": {"atr": "hat", "lip": "hat"},
    "shirt": {"atr": "upper-clothes", "lip": "upper-clothes"},
    "coat": {"atr": "upper-clothes", "lip": "coat"},
    "dress": {"atr": "dress", "lip": "dress"},
    "skirt": {"atr": "skirt", "lip": "skirt"},
    "trousers": {"atr": "pants", "lip": "pants"},
    "scarf": {"atr": "scarf", "lip": "scarf"},
    "bag": {"atr": "bag", "lip": "background"},
}
"""Label of each kind of layer by the name of the label space. Skin and shoes are labelled by the part underneath."""


def _skin_label(joint: str) -> str:
    side, _, name = joint.partition("_")
    if name in ("hip", "knee", "ankle", "foot"):
        return f"{side}-leg"
    if name in ("shoulder", "elbow", "wrist", "hand"):
        return f"{side}-arm"
    return "face"


def labels_of_faces(
    kinds: tuple[str, ...], face_layers: Int[np.ndarray, "m"], face_parts: Int[np.ndarray, "m"], space: PartSpace
) -> Int[np.ndarray, "m"]:
    """Label of each face of a dressed person.

    Bare arms and legs have their own labels; head, neck and bare trunk are labelled "face", as human parsers do.

    Args:
        kinds: Kind of each layer: a key of `LABELS`, ``skin`` or ``shoe``.
        face_layers: (M,) layer of each face.
        face_parts: (M,) SMPL-24 part underneath each face.
        space: A label space with clothing, ATR or LIP.

    Returns:
        (M,) indices into ``space.labels``.

    Raises:
        ValueError: if the label space has no clothing.
    """
    if space.name not in ("atr", "lip"):
        raise ValueError(f"space: expected atr or lip, got {space.name}")
    skin = np.array([space.labels.index(_skin_label(joint)) for joint in SMPL_24.joints])
    shoe = np.array(
        [space.labels.index(f"{'right' if joint.startswith('right') else 'left'}-shoe") for joint in SMPL_24.joints]
    )
    result = np.zeros(len(face_layers), dtype=np.int64)
    for layer, kind in enumerate(kinds):
        own = face_layers == layer
        if kind in ("skin", "shoe"):
            result[own] = (skin if kind == "skin" else shoe)[face_parts[own]]
        else:
            result[own] = space.labels.index(LABELS[kind][space.name])
    return result
