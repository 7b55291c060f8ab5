"""RGB images of synthetic people."""

from dataclasses import replace

import torch
from torch.nn.functional import avg_pool2d

from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.images.body_textures import sample_body_albedo
from render_fit.synthesis.images.training_images import ImageAugmentation, render_rgb, sample_backgrounds
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.samples import observed_inputs, training_batch

CLEAN = ImageAugmentation(patchwork=0, occluded=0, blur_px=0, noise=0, contrast=0, channel_gain=0, albedo_noise=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_images_are_optional_and_do_not_change_the_people(synthesis: PeopleSampler) -> None:
    bare, true = training_batch(synthesis, 5, seeded(4))
    seen, same = training_batch(replace(synthesis, images=ImageAugmentation()), 5, seeded(4))
    assert bare.photo is None
    assert torch.equal(bare.parts, seen.parts) and torch.equal(bare.keypoints, seen.keypoints)
    assert torch.equal(true.rotations, same.rotations)
    assert seen.photo is not None
    assert seen.photo.shape == (5, 3, 32, 32)
    assert seen.photo.abs().max() <= 1
    assert 0.2 < seen.photo.std() < 0.8
    again = training_batch(replace(synthesis, images=ImageAugmentation()), 5, seeded(4))[0]
    assert again.photo is not None and torch.equal(again.photo, seen.photo)


def test_pixels_outside_the_photo_are_zero(synthesis: PeopleSampler) -> None:
    cut = synthesis.people.model_copy(update={"truncated": 1.0})
    sampler = replace(synthesis, people=cut, images=ImageAugmentation())
    rendered = sampler.sample(6, seeded())
    photo = observed_inputs(sampler, rendered, seeded()).photo
    assert photo is not None
    assert (photo[(~rendered.in_image)[:, None].expand_as(photo)] == 0).all()
    assert not rendered.in_image.all()


def test_the_person_differs_from_the_background_which_is_independent_of_it(synthesis: PeopleSampler) -> None:
    rendered = synthesis.sample(48, seeded(1))
    image = render_rgb(synthesis.body, rendered.people.vertices, rendered.face_index, CLEAN, seeded(2))
    nobody = render_rgb(
        synthesis.body, rendered.people.vertices, torch.full_like(rendered.face_index, -1), CLEAN, seeded(2)
    )
    seen = (rendered.face_index >= 0)[:, None].expand_as(image)
    torch.testing.assert_close(image[~seen], nobody[~seen], atol=1e-5, rtol=0)
    assert ((image - nobody).abs().amax(1) > 0.05)[seen[:, 0]].float().mean() > 0.9


def test_clothes_are_fixed_to_the_surface_of_the_body(synthesis: PeopleSampler) -> None:
    body = synthesis.body
    faces = torch.arange(len(body.faces))
    one = sample_body_albedo(body, torch.zeros_like(faces), faces, 3, 0.0, seeded(3))
    some = torch.tensor([5, 900, 4000])
    torch.testing.assert_close(
        sample_body_albedo(body, torch.zeros(3, dtype=torch.long), some, 3, 0.0, seeded(3)), one[some]
    )
    other = sample_body_albedo(body, torch.ones_like(faces), faces, 3, 0.0, seeded(3))
    assert (one - other).abs().amax(1).gt(0.05).float().mean() > 0.5
    # Both hands are bare: they are of one colour, and the face's.
    hands = torch.isin(body.face_parts, torch.tensor([SMPL_24.index("left_hand"), SMPL_24.index("right_hand")]))
    assert one[hands].std(0).max() < 1e-6
    assert (one[body.face_parts == SMPL_24.index("head")] == one[hands][0]).all(1).any()


def test_a_patchwork_has_one_colour_for_each_part(synthesis: PeopleSampler) -> None:
    body = synthesis.body
    faces = torch.arange(len(body.faces))
    patches = sample_body_albedo(body, torch.zeros_like(faces), faces, 1, 1.0, seeded())
    for part in range(24):
        assert patches[body.face_parts == part].std(0).max() < 1e-6
    assert len(patches.unique(dim=0)) == 24


def test_blur_and_noise_have_their_documented_effect(synthesis: PeopleSampler) -> None:
    rendered = synthesis.sample(24, seeded(1))

    def taken(**changes: float) -> torch.Tensor:
        augmentation = CLEAN.model_copy(update=changes)
        return render_rgb(synthesis.body, rendered.people.vertices, rendered.face_index, augmentation, seeded(2))

    def edges(image: torch.Tensor) -> torch.Tensor:
        return image.diff(dim=-1).abs().mean()

    sharp = taken()
    assert edges(taken(blur_px=2.0)) < 0.8 * edges(sharp)
    noisy = taken(noise=0.3)
    assert edges(noisy) > 1.1 * edges(sharp)
    # Noise has no place: means of blocks keep their colours, but for what is cut off at black and white.
    assert (avg_pool2d(noisy, 8) - avg_pool2d(sharp, 8)).abs().mean() < 0.03


def test_backgrounds_differ_in_roughness_and_shapes() -> None:
    images = sample_backgrounds(64, 32, 0, seeded())
    assert images.min() >= 0 and images.max() <= 1
    rough = images.diff(dim=-1).abs().mean((1, 2, 3))
    assert rough.max() > 5 * rough.min()
    with_shapes = sample_backgrounds(64, 32, 8, seeded())
    assert (with_shapes.diff(dim=-1).abs() > 0.2).float().mean() > (images.diff(dim=-1).abs() > 0.2).float().mean()


def test_brightness_is_linear_in_the_normal(synthesis: PeopleSampler) -> None:
    # In one colour, a matt body's linear light is linear in the normal where the lamp reaches, and flat but for the
    # sky where it does not: over the visible faces of one person the normal explains nearly all of it.
    rendered = synthesis.sample(30, seeded(5))
    body, patch = synthesis.body, CLEAN.model_copy(update={"patchwork": 1.0})
    image = render_rgb(body, rendered.people.vertices, rendered.face_index, patch, seeded(1))
    explained = []
    for person in range(30):
        face = rendered.face_index[person]
        chosen = (face >= 0) & (body.face_parts[face.clamp(min=0)] == SMPL_24.index("spine3"))
        if chosen.sum() < 12:
            continue
        a, b, c = rendered.people.vertices[person][body.faces[face[chosen].long()]].unbind(1)
        normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=1)
        light = image[person, 1][chosen] ** 2.2
        columns = torch.cat([normal, torch.ones(len(normal), 1)], 1)
        left = light - columns @ torch.linalg.lstsq(columns, light[:, None], driver="gelsd").solution[:, 0]
        explained.append(1 - float(left.var() / light.var().clamp(min=1e-9)))
    assert len(explained) >= 6
    assert sorted(explained)[len(explained) // 2] > 0.8
