"""Training of the decoder of clothing labels: crops, weights, and a loss that falls."""

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.core.parts import ATR
from render_fit.observations.blazepose.clothing import SPACE, ClothingDecoder, ClothingFeatures
from render_fit.observations.blazepose.weights import read_networks
from render_fit.training.clothing_labels import (
    BACKGROUND_WEIGHT,
    MOST_WEIGHT,
    cell_labels,
    features_of_crops,
    label_weights,
    train_decoder,
)


def halves() -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of a red half, labelled as hair, above or below a blue one, labelled as trousers."""
    images = torch.zeros(4, 3, 256, 256, dtype=torch.uint8)
    labels = torch.zeros(4, 256, 256, dtype=torch.uint8)
    hair, trousers = SPACE.labels.index("hair"), SPACE.labels.index("pants")
    for row in range(4):
        top, bottom = ((0, hair), (2, trousers)) if row % 2 else ((2, trousers), (0, hair))
        images[row, top[0], :128], labels[row, :128] = 200, top[1]
        images[row, bottom[0], 128:], labels[row, 128:] = 200, bottom[1]
    noise = torch.randint(50, images.shape, generator=torch.Generator().manual_seed(0))
    return images + noise.byte(), labels


def test_the_loss_falls_and_a_training_is_repeatable():
    images, labels = halves()
    features, cells = features_of_crops(read_networks()[1], images), cell_labels(labels)
    assert features.at_4.dtype == torch.float16 and cells.shape == (4, 64, 64)

    def trained() -> tuple[list[float], ClothingDecoder]:
        torch.manual_seed(0)
        decoder = ClothingDecoder()
        return train_decoder(decoder, features, cells, 25, seed=0), decoder

    losses, decoder = trained()
    assert len(losses) == 25 and sum(losses[-3:]) < 0.4 * sum(losses[:3])
    assert losses == trained()[0]
    found = decoder(features.to(torch.float32)).argmax(1)
    assert float((found == cells).float().mean()) > 0.9


def test_rare_labels_weigh_more_and_the_background_less():
    cells = torch.zeros(1, 64, 64, dtype=torch.uint8)
    cells[0, :16], cells[0, 16:20], cells[0, 20, 0] = 4, 1, 2
    weights = label_weights(cells)
    # 1024, 256 and 1 cells: √(1024 / 256) = 2, and more than the largest weight for the last
    assert weights[[0, 4, 1, 2]].tolist() == [pytest.approx(one) for one in (BACKGROUND_WEIGHT, 1, 2, MOST_WEIGHT)]


def test_crops_without_labels_are_an_error():
    _, labels = halves()
    nothing = ClothingFeatures(
        *(torch.zeros(0, *shape) for shape in ((44, 64, 64), (80, 32, 32), (88, 16, 16), (864, 8, 8)))
    )
    with pytest.raises(InputError, match="expected crops with labels, got 0 and 4"):
        train_decoder(ClothingDecoder(), nothing, cell_labels(labels), 1, seed=0)


def test_crops_show_what_their_labels_say(crops):
    assert crops.images.shape[1:] == (3, 256, 256) and crops.labels.shape == (len(crops), 256, 256)
    assert int(crops.labels.max()) < len(ATR)
    names = {ATR.labels[i] for i in crops.labels.unique().tolist()}
    assert {"background", "face", "hair", "left-shoe", "right-shoe"} <= names
    rows = (crops.labels > 0).float().mean((1, 2))
    assert bool((rows > 0.03).all()) and bool((rows < 0.6).all())
    # people are upright: shoes are below hair
    y = torch.arange(256.0)[None, :, None].expand_as(crops.labels)
    shoe = torch.isin(crops.labels, torch.tensor([ATR.labels.index(f"{side}-shoe") for side in ("left", "right")]))
    assert float(y[shoe].mean()) > float(y[crops.labels == ATR.labels.index("hair")].mean()) + 50


def test_a_seed_decides_the_crops(crops, sampler):
    again = next(iter(sampler.sample(1, seed=3)))
    assert torch.equal(again.images, crops.images) and torch.equal(again.labels, crops.labels)
    other = next(iter(sampler.sample(1, seed=4)))
    assert not torch.equal(other.labels, crops.labels)


@pytest.fixture(scope="module")
def sampler(shared_data):
    from render_fit.datasets.mocap import load_poses
    from render_fit.synthesis.clothed_crops import ClothedCrops
    from render_fit.synthesis.poses.everyday import EverydayPoses

    return ClothedCrops(open_body(), EverydayPoses(load_poses(shared_data, "train")))


@pytest.fixture(scope="module")
def crops(sampler):
    return next(iter(sampler.sample(1, seed=3)))
