"""Colours of clothes: which pixels count, and how alike people are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from render_fit.core.skeletons import COCO_17
from render_fit.observations.appearance import (
    LEAST_ODDS,
    Appearance,
    appearance_of,
    difference,
    mean_appearance,
    same_person_log_odds,
)
from render_fit.observations.observation import Observation

SHIRT, TROUSERS, SKIN, WALL = (0.8, 0.1, 0.1), (0.1, 0.1, 0.6), (0.9, 0.7, 0.6), (0.3, 0.5, 0.3)


def person(shirt=SHIRT, trousers=TROUSERS, *, wall=WALL, keypoints=True, mask=True, lying=False):
    """A person of rectangles: head in rows 10–30, shirt 30–60, trousers 60–110, columns 40–60 of an image 120 high."""
    image = torch.tensor(wall)[:, None, None].expand(3, 120, 100).clone()
    for colour, top, bottom in ((SKIN, 10, 30), (shirt, 30, 60), (trousers, 60, 110)):
        image[:, top:bottom, 40:60] = torch.tensor(colour)[:, None, None]
    covered = torch.zeros(120, 100)
    covered[10:110, 40:60] = 1
    points, confidence = torch.zeros(17, 2), torch.zeros(17)
    for name, place in {"shoulder": 30.0, "hip": 60.0}.items():
        for side, x in (("left", 56.0), ("right", 44.0)):
            points[COCO_17.index(f"{side}_{name}")] = torch.tensor([x, place])
            confidence[COCO_17.index(f"{side}_{name}")] = 0.9
    if lying:
        image, covered, points = image.transpose(1, 2), covered.T, points.flip(1)
    return Observation.of(
        image.contiguous(),
        mask=covered.contiguous() if mask else None,
        keypoints_px=points if keypoints else None,
        confidence=confidence if keypoints else None,
        skeleton=COCO_17 if keypoints else None,
        box=(10.0, 40.0, 100.0, 20.0) if lying else (40.0, 10.0, 20.0, 100.0),
    )


def test_halves_follow_the_keypoints():
    standing, lying = appearance_of(person()), appearance_of(person(lying=True))
    assert difference(standing, lying) == pytest.approx(0, abs=1e-4)
    for half, other in ((standing.upper, standing.lower), (standing.lower, standing.upper)):
        assert half.sum() == pytest.approx(1, abs=1e-5) and (half * other).max() == 0
    # one colour lies in at most two bins of each of the three axes
    assert (standing.upper > 0).sum() <= 8


def test_only_the_person_counts():
    assert difference(appearance_of(person()), appearance_of(person(wall=(0.9, 0.9, 0.1)))) == 0
    hidden = replace(person(), valid=torch.arange(100).expand(120, 100) < 50)
    assert difference(appearance_of(person()), appearance_of(hidden)) == pytest.approx(0, abs=1e-5)


def test_without_mask_or_keypoints():
    known = appearance_of(person())
    assert difference(known, appearance_of(person(mask=False))) == pytest.approx(0, abs=1e-5)
    # rows of the box: head and shirt's edge are not in the upper body, so the shirt is all of it
    assert difference(known, appearance_of(person(keypoints=False))) == pytest.approx(0, abs=1e-5)


def test_what_is_not_seen_is_none():
    one = person()
    assert appearance_of(replace(one, image=None)) == Appearance()
    upper_only = replace(one, mask=one.mask * (torch.arange(120)[:, None] < 60))
    assert appearance_of(upper_only).lower is None and appearance_of(upper_only).upper is not None
    assert appearance_of(replace(one, mask=torch.zeros(120, 100))) == Appearance()
    assert appearance_of(replace(one, box=(500.0, 500.0, 20.0, 20.0))) == Appearance()


def test_clothes_are_alike_in_another_light_and_differ_otherwise():
    red, blue = appearance_of(person()), appearance_of(person(shirt=(0.1, 0.2, 0.8), trousers=(0.8, 0.8, 0.8)))
    darker = appearance_of(person(shirt=tuple(0.95 * c for c in SHIRT), trousers=tuple(0.95 * c for c in TROUSERS)))
    half = appearance_of(person(trousers=(0.8, 0.8, 0.8)))
    assert difference(red, darker) < 0.05 < 0.4 < difference(red, half) < difference(red, blue)
    assert difference(red, blue) == difference(blue, red) == pytest.approx(1, abs=1e-5)
    assert same_person_log_odds(red, darker, same_light=True) > 3
    assert same_person_log_odds(red, blue, same_light=True) == LEAST_ODDS
    assert same_person_log_odds(red, Appearance(), same_light=True) == 0
    upper_only = Appearance(red.upper, None)
    assert difference(upper_only, half) == pytest.approx(0, abs=1e-5)
    assert difference(upper_only, Appearance(None, red.lower)) is None


def test_the_mean_of_those_who_are_seen():
    red, half = appearance_of(person()), appearance_of(person(trousers=(0.8, 0.8, 0.8)))
    mean = mean_appearance([red, Appearance(half.upper, None), half])
    assert mean.lower == pytest.approx((red.lower + half.lower) / 2, abs=1e-6)
    assert np.allclose(mean.upper, red.upper, atol=1e-6)
    assert mean_appearance([Appearance()]) == Appearance()


def test_large_people_are_counted_on_a_grid():
    small = person()
    large = Observation.of(
        small.image.repeat_interleave(8, 1).repeat_interleave(8, 2),
        mask=small.mask.repeat_interleave(8, 0).repeat_interleave(8, 1),
        keypoints_px=small.keypoints_px * 8,
        confidence=small.confidence,
        skeleton=small.skeleton,
    )
    assert difference(appearance_of(small), appearance_of(large)) == pytest.approx(0, abs=0.01)
