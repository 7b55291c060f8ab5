"""Clothing labels: the decoder's shapes and determinism, its file, and labels in the photo's pixels."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from render_fit.core.errors import NoPersonError
from render_fit.core.parts import ATR, NBF_12
from render_fit.observations import OBSERVERS, observe
from render_fit.observations.blazepose.clothing import (
    ASSET,
    LEAST_DEVIATION,
    SPACE,
    ClothingDecoder,
    ClothingFeatures,
    clothing_features,
    label_probabilities,
    read_decoder,
    write_decoder,
)
from render_fit.observations.blazepose.clothing_observer import BAG, BlazePosePartsObserver
from render_fit.observations.blazepose.observer import BlazePoseObserver
from render_fit.observations.blazepose.regions import Regions
from render_fit.observations.blazepose.weights import read_networks


@pytest.fixture(scope="module")
def features() -> ClothingFeatures:
    images = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return clothing_features(read_networks()[1], images)


@pytest.fixture(scope="module")
def astronaut():
    """Eileen Collins (NASA, public domain; 512 × 512)."""
    data = pytest.importorskip("skimage.data")
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def observer() -> BlazePosePartsObserver:
    return BlazePosePartsObserver("cpu")


def test_features_have_four_resolutions(features: ClothingFeatures):
    shapes = [tuple(one.shape) for one in (features.at_4, features.at_8, features.at_16, features.at_32)]
    assert shapes == [(2, 44, 64, 64), (2, 80, 32, 32), (2, 88, 16, 16), (2, 864, 8, 8)]
    assert len(features) == 2 and len(features[1:]) == 1
    joined = ClothingFeatures.joined([features[:1], features[1:]])
    assert torch.equal(joined.at_32, features.at_32)


def test_the_shipped_decoder_is_small_and_gives_the_same_probabilities_every_time(features: ClothingFeatures):
    assert ASSET.stat().st_size < 1e6
    with torch.inference_mode():
        first, again = (label_probabilities(read_decoder()(features)) for _ in range(2))
    assert first.shape == (2, len(SPACE), 256, 256) and torch.equal(first, again)
    torch.testing.assert_close(first.sum(1), torch.ones(2, 256, 256))


def test_a_decoder_is_read_as_it_was_written(tmp_path: Path, features: ClothingFeatures):
    torch.manual_seed(0)
    decoder = ClothingDecoder().eval()
    decoder.standardize(features)
    write_decoder(decoder, tmp_path / "decoder.safetensors", "not trained")
    with torch.inference_mode():
        ours, theirs = decoder(features), read_decoder(tmp_path / "decoder.safetensors")(features)
    # float16 has 11 significant bits
    torch.testing.assert_close(theirs, ours, atol=0.02, rtol=0.01)


def test_standardised_features_have_mean_0_and_deviation_1(features: ClothingFeatures):
    decoder = ClothingDecoder()
    decoder.standardize(features)
    deviation, mean = torch.std_mean(decoder.standard_8(features.at_8), dim=(0, 2, 3))
    torch.testing.assert_close(mean, torch.zeros(80), atol=1e-3, rtol=0)
    alive = torch.std(features.at_8, dim=(0, 2, 3)) > LEAST_DEVIATION
    torch.testing.assert_close(deviation[alive], torch.ones(int(alive.sum())), atol=1e-3, rtol=0)


def test_mirrored_labels_exchange_sides():
    names = [ATR.labels[i] for i in ATR.mirrored_labels]
    assert names[ATR.labels.index("left-shoe")] == "right-shoe" and names[ATR.labels.index("hair")] == "hair"
    assert sorted(ATR.mirrored_labels) == list(range(len(ATR)))
    assert NBF_12.mirrored_labels == tuple(range(len(NBF_12)))  # its labels have no hyphens


def test_labels_are_pasted_through_the_region_into_the_photo():
    """A region turned by 90° clockwise: its top points to the image's right."""
    maps = torch.zeros(1, 3, 64, 64)
    maps[0, 1, :32], maps[0, 2, 32:] = 1, 1
    region = Regions(torch.tensor([[50.0, 40.0]]), torch.tensor([32.0]), torch.tensor([torch.pi / 2]))
    labels = region.paste_labels(maps, 80, 100)
    assert labels.shape == (80, 100) and int(labels[40, 60]) == 1 and int(labels[40, 40]) == 2
    assert int(labels[40, 80]) == 0 and int(labels[5, 50]) == 0
    # half of 32 × 32 px each, up to the pixels of the edges
    assert abs(int((labels == 1).sum()) - 512) < 40 and abs(int((labels == 2).sum()) - 512) < 40


def test_the_observer_adds_labels_to_what_the_default_one_sees(
    observer: BlazePosePartsObserver, astronaut: torch.Tensor
):
    plain, labelled = BlazePoseObserver("cpu").observe(astronaut), observer.observe(astronaut)
    assert plain.mask is not None and labelled.mask is not None and labelled.labels is not None
    bag = labelled.labels == BAG
    assert torch.equal(plain.mask.masked_fill(bag, 0.0), labelled.mask) and plain.labels is None
    assert labelled.part_space is ATR and labelled.source["parts"] == "blazepose-parts"
    assert labelled.labels.shape == labelled.image_size
    outside = labelled.labels[labelled.mask < 0.5]
    assert set(outside.unique().tolist()) <= {0, BAG}
    assert bool((labelled.labels[labelled.mask >= 0.5] > 0).any())
    again = observer.observe(astronaut).labels
    assert again is not None and torch.equal(again, labelled.labels)


def test_labels_reach_an_observation_of_a_file(
    observer: BlazePosePartsObserver, astronaut: torch.Tensor, tmp_path: Path
):
    path = tmp_path / "photo.png"
    Image.fromarray((astronaut * 255).byte().permute(1, 2, 0).numpy()).save(path)
    (alone,) = observe(path, observer=observer)
    assert alone.labels is not None and alone.mask is not None and alone.source["parts"] == "blazepose-parts"
    Image.fromarray(((alone.mask >= 0.5) * 255).byte().numpy()).save(tmp_path / "mask.png")
    (with_mask,) = observe(path, mask=tmp_path / "mask.png", observer=observer)
    assert with_mask.labels is not None and with_mask.part_space is ATR


def test_nobody_in_a_photo_is_an_error(observer: BlazePosePartsObserver):
    with pytest.raises(NoPersonError, match="no person found"):
        observer.observe(torch.full((3, 64, 64), 0.5))


def test_it_is_an_observer_by_name_and_not_the_default():
    assert next(iter(OBSERVERS)) == "blazepose"
    assert isinstance(OBSERVERS["blazepose-parts"](), BlazePosePartsObserver)
