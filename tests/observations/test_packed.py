"""Observations in little memory."""

from __future__ import annotations

import pickle

import torch

from render_fit.core.parts import ATR
from render_fit.observations import Observation
from render_fit.observations.packed import PackedObservation, PackedObservations


def observation(seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(540, 960)
    mask[100:500, 400:560] = 1.0
    mask[90:100, 400:560] = torch.rand(10, 160, generator=generator)
    made = Observation.of(
        torch.zeros(3, 540, 960),
        mask=mask,
        labels=(mask > 0.5).long() * 4,
        part_space=ATR,
        box=(400.0, 90.0, 160.0, 410.0),
    )
    made.valid[:, :30] = False
    return made


def test_an_unpacked_observation_is_the_same_without_its_image():
    given = observation()
    found = PackedObservation.of(given).unpacked()
    assert found.image is None and found.box == given.box and found.part_space is ATR
    assert torch.equal(found.valid, given.valid) and torch.equal(found.labels, given.labels)
    assert float((found.mask - given.mask).abs().max()) <= 0.5 / 255 + 1e-6


def test_what_was_not_observed_is_not_there():
    found = PackedObservation.of(Observation.of(torch.zeros(3, 20, 30))).unpacked()
    assert found.mask is None and found.labels is None and bool(found.valid.all())


def test_a_packed_frame_needs_a_fiftieth_of_the_memory():
    packed = PackedObservation.of(observation())
    assert len(pickle.dumps(packed)) < 540 * 960 * 5 / 50


def test_a_sequence_unpacks_what_is_asked_for():
    all_of_them = PackedObservations(PackedObservation.of(observation(seed)) for seed in range(3))
    assert len(all_of_them) == 3 and len(list(all_of_them[1:])) == 2
    assert torch.equal(all_of_them[2].mask, all_of_them[1:][1].mask)
    assert not torch.equal(all_of_them[0].mask, all_of_them[2].mask)
