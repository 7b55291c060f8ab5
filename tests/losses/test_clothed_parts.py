"""Labels of clothes: by hand, what they say of the body beside them, and where they say nothing."""

import math
from dataclasses import replace

import pytest
import torch

from render_fit.core.parts import ATR, NBF_12, NBF_12_OF_OUTLINE, OUTLIER_SHARE, PART_SPACES, SMPL_24_PARTS, PartSpace
from render_fit.core.skeletons import SMPL_24
from render_fit.losses.clothed_parts import ClothedParts
from render_fit.losses.clothed_silhouette import ClothedSilhouette
from render_fit.losses.targets import FitTargets
from tests.losses.factories import SIZE, at, drawn, finite_gradient, leaves, painted, seen, standing, targets

THIGH, CHEST = SMPL_24.index("left_hip"), SMPL_24.index("spine3")


def labelled(label: str, space: PartSpace = ATR, size: int = 2, **other) -> FitTargets:
    """An image of one label, all of it on the person."""
    labels = torch.full((1, size, size), space.labels.index(label), dtype=torch.int64)
    return targets(size, mask=torch.ones(1, size, size), labels=labels, part_space=space, **other)


def cost(observed: FitTargets, part: int | None = None) -> float:
    """Nats of a body that shows one part everywhere, or nothing."""
    size = observed.valid.shape[-1]
    parts = torch.zeros(1, 24, size, size)
    if part is not None:
        parts[:, part] = 1.0
    return ClothedParts()(painted(observed, parts=parts)).item()


def test_by_hand():
    """A body label beside the body costs its outlier share over that on its own part, for each independent patch."""
    observed = labelled("left_hip", SMPL_24_PARTS)
    patches = 4 * (4.0 / (1.5 * 2) / 0.04) ** 2  # pixels of 4 m / focal length, in squares of 4 cm
    beside = 1 / (1 + 2 * 0.01 / 1e-3)
    assert cost(observed) == pytest.approx(-patches * math.log(beside), rel=1e-4)
    floor = OUTLIER_SHARE / 25
    assert cost(observed, CHEST) == pytest.approx(-patches * math.log(floor / (1 - OUTLIER_SHARE + floor)), rel=1e-4)
    assert cost(observed, THIGH) == pytest.approx(0.0, abs=1e-4)


def test_skin_binds_the_body_and_loose_garments_do_not():
    uncovered = {label: cost(labelled(label)) for label in ("left-leg", "left-shoe", "pants", "upper-clothes", "skirt")}
    assert uncovered["left-leg"] > uncovered["left-shoe"] > 100
    for label in ("pants", "upper-clothes", "skirt"):
        assert uncovered[label] == pytest.approx(0.0, abs=1e-3)
    assert cost(labelled("bag")) == pytest.approx(0.0, abs=1e-4)


def test_the_hem_of_a_garment_hardly_moves_the_body():
    """Thigh under a jacket: against the chest it costs less than a quarter of what it does by the plain emission."""
    jacket = ATR.labels.index("upper-clothes")
    plain = math.log(float(ATR.emission[CHEST, jacket] / ATR.emission[THIGH, jacket]))
    given = ATR.emission_on_person
    assert 0 < math.log(float(given[CHEST, jacket] / given[THIGH, jacket])) < 0.25 * plain
    skin = ATR.labels.index("face")
    torch.testing.assert_close(given[:-1, skin], ATR.emission[:-1, skin] / ATR.emission[:-1, skin].amax())


def test_nothing_outside_of_the_mask_counts():
    observed = labelled("left-leg")
    assert cost(replace(observed, mask=torch.zeros(1, 2, 2)), CHEST) == 0
    assert cost(replace(observed, valid=torch.zeros(1, 2, 2, dtype=torch.bool)), CHEST) == 0


@pytest.mark.parametrize("space", PART_SPACES.values(), ids=lambda space: space.name)
def test_looseness_of_every_label(space):
    assert space.looseness_m is not None and space.looseness_m.shape == (len(space),)
    assert math.isinf(space.looseness_m[0]) and (space.looseness_m >= 0).all()
    assert space.is_of_body == (space in (SMPL_24_PARTS, NBF_12))
    assert space.names_clothes == (space.name in ("atr", "lip", "cihp"))
    named = dict(zip(space.labels, space.looseness_m.tolist(), strict=True))
    assert all(math.isinf(named[name]) == (name in ("background", "bag")) for name in named)
    assert torch.isfinite(space.emission_on_person).all() and (space.emission_on_person > 0).all()


def test_the_silhouette_is_bound_by_skin_bounded_by_a_skirt_and_silent_at_a_bag():
    """Weight of a missing pixel at the outline, and of one too many where a bag hangs."""
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, :, : SIZE // 2] = 1
    weights = {}
    for label in ("left-leg", "skirt", "bag"):
        labels = torch.full((1, SIZE, SIZE), ATR.labels.index(label))
        observed = targets(mask=mask, labels=labels, part_space=ATR)
        state = painted(observed)
        state.parameters = standing(transl=(0.0, 0.3, 0.001 * float(observed.camera.K[0, 0, 0])))  # pixels of 1 mm
        weights[label] = ClothedSilhouette().pixel_weights(state)[0, 0].tolist()
    edge = SIZE // 2 - 1
    assert weights["skirt"][edge] == pytest.approx(0.1 * weights["left-leg"][edge], rel=0.15)
    assert weights["bag"][edge] == 0 and weights["bag"][edge + 1] == 0 < weights["skirt"][edge + 1]


def test_without_labels_the_law_follows_the_part_by_the_keypoints():
    observed = seen()
    assert observed.keypoints_px is not None
    alone = replace(observed, labels=None, part_space=None)
    loose = alone.looseness_m
    assert loose is not None
    outline = loose[(alone.seen_mask > 0.5) & loose.isfinite()]
    assert set(outline.unique().tolist()) <= set(NBF_12_OF_OUTLINE.looseness_m.tolist())
    assert len(outline.unique()) > 3
    assert replace(alone, keypoints_px=None).looseness_m is None
    few = replace(alone, confidence=torch.zeros_like(alone.confidence))
    assert len(few.looseness_m.unique()) == 1


def test_gradients_are_finite_and_the_true_pose_is_preferred():
    parameters, wanted = leaves(standing())
    finite_gradient(ClothedParts(), at(seen(), parameters), wanted)
    true = drawn().parameters
    turned = replace(true, rotations=true.rotations.clone())
    turned.rotations[0, 0] = torch.diag(torch.tensor([-1.0, 1.0, -1.0])) @ turned.rotations[0, 0]
    right, wrong = (float(ClothedParts()(at(seen(), one))) for one in (true, turned))
    assert right < wrong - 5
