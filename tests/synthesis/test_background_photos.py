"""Photos as backgrounds of training images."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.core.errors import InputError
from render_fit.synthesis.images.background_photos import SHARE, SIDE_PX, BackgroundPhotos
from render_fit.synthesis.images.training_images import ImageAugmentation, render_rgb
from render_fit.synthesis.people_sampler import PeopleSampler


def photo(path: Path, width: int, height: int, colour: tuple[int, int, int]) -> Path:
    Image.fromarray(np.full((height, width, 3), colour, np.uint8)).save(path)
    return path


def test_squares_of_wide_and_tall_photos(tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    Image.fromarray(np.repeat(np.linspace(0, 255, 300).astype(np.uint8)[None, :, None], 100, 0).repeat(3, 2)).save(wide)
    read = BackgroundPhotos.read([wide, photo(tmp_path / "tall.png", 90, 100, (0, 250, 0))])
    assert read.squares.shape == (4, 3, SIDE_PX, SIDE_PX)  # three along the wide one, one of the tall one
    means = read.squares[:3].float().mean((1, 2, 3))
    torch.testing.assert_close(means, torch.tensor([42.0, 127.0, 212.0]), atol=2.0, rtol=0)  # sixths of 255


def test_photos_are_behind_the_person_in_most_images(synthesis: PeopleSampler, tmp_path: Path) -> None:
    read = BackgroundPhotos.read([photo(tmp_path / "red.png", 64, 64, (255, 0, 0))])
    drawn = synthesis.sample(40, torch.Generator().manual_seed(0))
    plain = ImageAugmentation(background_shapes=0, occluded=0, blur_px=0, noise=0, contrast=0, channel_gain=0)
    args = (synthesis.body, drawn.people.vertices, drawn.face_index, plain)
    images = render_rgb(*args, torch.Generator().manual_seed(1), read)
    is_red = ((images[:, 0] > 0.98) & (images[:, 1] < 0.02) & (images[:, 2] < 0.02)).float()
    outside = drawn.face_index < 0
    shares = (is_red * outside).sum((1, 2)) / outside.sum((1, 2))
    with_photo = shares > 0.8
    assert abs(float(with_photo.float().mean()) - SHARE) < 0.2
    assert (is_red[drawn.face_index >= 0]).mean() < 0.1
    again = render_rgb(*args, torch.Generator().manual_seed(1), read)
    assert torch.equal(images, again)
    assert not torch.equal(images, render_rgb(*args, torch.Generator().manual_seed(1)))


def test_crops_differ_in_place_and_size(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    read = BackgroundPhotos.read([tmp_path / "noise.png"])
    images = read.replace(torch.zeros(12, 3, 32, 32), torch.Generator().manual_seed(0))
    replaced = images[images.flatten(1).any(1)]
    assert 5 <= len(replaced) < 12
    assert all(not torch.equal(one, other) for one, other in pairwise(replaced))


def test_a_sampler_without_them_is_as_before(synthesis: PeopleSampler) -> None:
    assert replace(synthesis, images=ImageAugmentation()).backgrounds is None


def test_errors_name_the_photo(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="backgrounds: no photo"):
        BackgroundPhotos.read([])
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"broken\.jpg: cannot be read as a background photo"):
        BackgroundPhotos.read([tmp_path / "broken.jpg"])
