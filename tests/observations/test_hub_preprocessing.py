"""Input of the hub's networks: the numbers of transformers' own image processors, those that need no torchvision."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil
from transformers.models.segformer.image_processing_pil_segformer import SegformerImageProcessorPil
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

from render_fit.core.errors import InputError
from render_fit.observations.hub.pose import person_region, sampled
from render_fit.observations.hub.preprocessing import Preprocessing
from render_fit.observations.observation import resample


def photo(height, width):
    """8-bit pixels, smooth in places and noisy in others, and the same as an image of ours."""
    numbers = np.random.default_rng(0)
    pixels = np.kron(numbers.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3)), np.ones((8, 8, 1)))
    pixels = np.clip(pixels[:height, :width] + numbers.integers(-20, 20, (height, width, 3)), 0, 255).astype(np.uint8)
    return pixels, torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def configuration(folder, **changes):
    data = {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "rescale_factor": 1 / 255, "resample": 2,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
        "size": {"height": 512, "width": 512}, **changes,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(data))
    return Preprocessing.read(folder)


@pytest.mark.parametrize(
    ("processor", "size"),
    [
        (RTDetrImageProcessorPil, {"height": 640, "width": 640}),  # rtdetr_r50vd: not normalised
        (SegformerImageProcessorPil, {"height": 512, "width": 512}),  # segformer_b2_clothes
        (RTDetrImageProcessorPil, {"shortest_edge": 100, "longest_edge": 133}),  # as DETR's, smaller
        (RTDetrImageProcessorPil, {"max_height": 90, "max_width": 90}),
        (SegformerImageProcessorPil, {"shortest_edge": 64}),
    ],
)
@pytest.mark.parametrize("shape", [(200, 150), (150, 301)])
def test_pixels_are_those_of_the_image_processor(processor, size, shape, tmp_path):
    pixels, image = photo(*shape)
    theirs = processor(size=size)
    theirs.save_pretrained(tmp_path)
    ours, shown = Preprocessing.read(tmp_path).pixels(image)
    expected = theirs(Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
    assert shown == (1.0, 1.0)
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=0)


def test_the_numbers_of_one_pixel(tmp_path):
    """By hand: (200 / 255 − 0.485) / 0.229 = 1.3071, (100 / 255 − 0.456) / 0.224 = −0.2850, and −0.406 / 0.225."""
    image = torch.tensor([200.0, 100.0, 0.0]).view(3, 1, 1).expand(3, 4, 6) / 255
    values, _ = configuration(tmp_path).pixels(image)
    assert values.shape == (1, 3, 512, 512)
    assert values[0, :, 7, 300].tolist() == pytest.approx([1.3071, -0.2850, -1.8044], abs=1e-4)
    values, _ = configuration(tmp_path, do_normalize=False).pixels(image)
    assert values[0, :, 0, 0].tolist() == pytest.approx([0.7843, 0.3922, 0.0], abs=1e-4)
    values, _ = configuration(tmp_path, do_normalize=False, do_rescale=False).pixels(image)
    assert values[0, :, 0, 0].tolist() == [200.0, 100.0, 0.0]


def test_padding_is_at_the_right_and_the_bottom(tmp_path):
    given = configuration(
        tmp_path, size={"max_height": 64, "max_width": 64}, do_pad=True, pad_size={"height": 64, "width": 64}
    )
    values, shown = given.pixels(photo(40, 80)[1])
    assert values.shape == (1, 3, 64, 64) and shown == (0.5, 1.0)
    assert bool((values[0, :, 32:] == 0).all()) and bool((values[0, :, :32] != 0).any())


def test_older_and_newer_files_are_read(tmp_path):
    assert configuration(tmp_path, size=[256, 192]).resized(50, 40) == (256, 192)
    assert configuration(tmp_path, size=100).resized(50, 40) == (125, 100)
    (tmp_path / "preprocessor_config.json").rename(tmp_path / "older.json")
    section = json.loads((tmp_path / "older.json").read_text())
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": section}))
    assert Preprocessing.read(tmp_path).resized(50, 40) == (125, 100)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": None}, "with a size"),
        ({"size": {"side": 3}}, "expected height and width; shortest_edge"),
        ({"size": {"height": 0, "width": 5}}, "expected height and width"),
        ({"image_std": [0.2, 0.0, 0.2]}, "three values above zero"),
        ({"image_mean": ["a", 0, 0]}, "not the configuration"),
        ({"do_center_crop": True}, "would cut people off"),
        ({"do_resize": False}, "expected whole images, resized"),
    ],
)
def test_other_configurations_are_one_line(changes, words, tmp_path):
    with pytest.raises(InputError, match=words) as error:
        configuration(tmp_path, **changes)
    assert "preprocessor_config.json" in str(error.value) and "\n" not in str(error.value)


def test_a_folder_without_a_configuration(tmp_path):
    with pytest.raises(InputError, match="preprocessor_config.json: no such file"):
        Preprocessing.read(tmp_path)


def test_the_crop_of_a_person_is_that_of_vitpose(tmp_path):
    """Its processor counts pixels from their middles, ours from their edges: its box is ours less half a pixel."""
    pixels, image = photo(240, 180)
    box = (40.5, 60.5, 50.0, 80.0)  # the crop is enlarged, so that averaging over pixels makes no difference
    theirs = VitPoseImageProcessorPil()
    theirs.save_pretrained(tmp_path)
    expected = theirs(Image.fromarray(pixels), boxes=[[[box[0] - 0.5, box[1] - 0.5, *box[2:]]]], return_tensors="pt")[
        "pixel_values"
    ]
    region = person_region(box, 192 / 256)
    assert region == pytest.approx((40.5 + 25 - 37.5 * 1, 60.5 + 40 - 50, 75.0, 100.0))
    crop = resample(image, sampled(region, 256, 192), 256, 192)[None]
    ours = Preprocessing.read(tmp_path).normalised(crop * 255)
    # theirs rounds to 8 bits after the warp: 1/255 over 0.224
    torch.testing.assert_close(ours, expected.float(), atol=1.01 / 255 / 0.224, rtol=0)


def test_wide_people_have_regions_of_the_same_shape():
    """50 × 10: height 50 / 0.75, both times 1.25, around the same middle."""
    left, top, width, height = person_region((10.0, 20.0, 50.0, 10.0), 0.75)
    assert (width, height) == pytest.approx((62.5, 83.3333), abs=1e-3)
    assert (left + width / 2, top + height / 2) == pytest.approx((35.0, 25.0))
