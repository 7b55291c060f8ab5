"""People that are drawn once: the same ones in every epoch, with new observations, for networks of any inputs."""

from dataclasses import replace

import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.synthesis.images.training_images import ImageAugmentation
from render_fit.synthesis.observation_noise import NO_NOISE
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.drawn_people import DrawnPeople, draw_people
from render_fit.training.samples import LABELS, LabelAvailability, training_batch

ALL = LabelAvailability()


def test_every_epoch_has_the_same_people_in_another_order_and_with_other_observations(
    synthesis: PeopleSampler,
) -> None:
    people = DrawnPeople(draw_people(synthesis, 5, 2, seed=1), synthesis, 0, ALL)
    epochs = [[people[index] for index in range(5 * epoch, 5 * epoch + 5)] for epoch in (0, 1)]
    betas = [torch.cat([truth.betas for _, truth in epoch]) for epoch in epochs]
    assert not torch.equal(*betas)
    assert torch.equal(*(one[one[:, 0].argsort()] for one in betas))
    by_person = [{float(truth.betas[0, 0]): inputs for inputs, truth in epoch} for epoch in epochs]
    assert all(not torch.equal(inputs.keypoints, by_person[1][key].keypoints) for key, inputs in by_person[0].items())
    assert torch.equal(people[7][0].silhouette, people[7][0].silhouette)


def test_what_is_seen_depends_on_the_sampler_and_who_is_seen_does_not(synthesis: PeopleSampler) -> None:
    drawn = draw_people(synthesis, 2, 3, seed=1)
    exact = DrawnPeople(drawn, replace(synthesis, noise=NO_NOISE), 0, ALL)
    photos = DrawnPeople(drawn, replace(synthesis, images=ImageAugmentation()), 0, ALL)
    (inputs, truth), (with_photo, same) = exact[0], photos[0]
    assert inputs.photo is None and with_photo.photo is not None
    assert torch.equal(truth.rotations, same.rotations)
    assert truth.parts is not None
    assert torch.equal(inputs.silhouette[0] > 0, truth.parts[0] > 0)


def test_they_are_those_of_a_training_on_new_people(synthesis: PeopleSampler) -> None:
    generator = torch.Generator().manual_seed(4)
    _, truth = training_batch(replace(synthesis, noise=NO_NOISE), 3, generator)
    _, drawn = DrawnPeople(draw_people(synthesis, 1, 3, seed=4), synthesis, 0, ALL)[0]
    for name, value in truth.tensors().items():
        assert torch.equal(value, drawn.tensors()[name]), name


def test_the_same_people_have_labels_in_every_epoch(synthesis: PeopleSampler) -> None:
    half = LabelAvailability(latent=0.5, joints=0.5)
    people = DrawnPeople(draw_people(synthesis, 4, 2, seed=1), synthesis, 0, half)
    column = LABELS.index("rotations")
    found = [
        {float(beta[0]): bool(label[column]) for beta, label in zip(truth.betas, truth.labels, strict=True)}
        for truth in (people[index][1] for index in range(8))
    ]
    first, second = (
        {key: value for one in found[rows] for key, value in one.items()} for rows in (slice(4), slice(4, 8))
    )
    assert first == second and 3 <= sum(first.values()) <= 5
    with pytest.raises(InputError, match="expected at least one shard"):
        DrawnPeople([], synthesis, 0, ALL)


def test_a_sampler_of_another_image_size_is_refused(synthesis: PeopleSampler) -> None:
    drawn = draw_people(synthesis, 1, 2, seed=1)
    with pytest.raises(InputError, match="expected images of 32 pixels, as the people were drawn, got 48"):
        DrawnPeople(drawn, replace(synthesis, size=48), 0, ALL)
