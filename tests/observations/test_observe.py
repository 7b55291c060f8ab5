"""An image and its files become observations; the observer fills in the rest."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.core.cameras import Camera
from render_fit.core.errors import InputError, NoPersonError
from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.observations import Observation, observe


class FakeObserver:
    """Sees a person who fills the box that it is given, or the picture's left half."""

    name = "fake"

    def __init__(self) -> None:
        self.boxes: list = []

    def observe(self, image, box=None) -> Observation:
        self.boxes.append(box)
        height, width = image.shape[1:]
        left, top, box_width, box_height = box or (0.0, 0.0, width / 2, float(height))
        mask = torch.zeros(height, width)
        mask[int(top) : int(top + box_height), int(left) : int(left + box_width)] = 1
        return Observation(
            image_size=(height, width),
            valid=torch.ones(height, width, dtype=torch.bool),
            box=(left, top, box_width, box_height),
            mask=mask,
            keypoints_px=torch.tensor([left + 1, top + 1]).expand(33, 2) + torch.arange(33.0)[:, None] / 10,
            confidence=torch.full((33,), 0.8),
            skeleton=MEDIAPIPE_33,
            keypoints_3d=torch.arange(99.0).reshape(33, 3),
            confidence_3d=torch.full((33,), 0.8),
            source={"mask": "fake", "keypoints": "fake", "keypoints_3d": "fake"},
        )

    def find_people(self, image, everyone=False):
        return [(0.0, 0.0, 20.0, 40.0), (40.0, 0.0, 10.0, 20.0)]


class BlindObserver(FakeObserver):
    def observe(self, image, box=None) -> Observation:
        raise NoPersonError("image: no person found")


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (60, 40), (10, 20, 30)).save(path)
    return path


@pytest.fixture
def mask(tmp_path):
    array = np.zeros((40, 60), np.uint8)
    array[5:35, 30:45] = 255
    Image.fromarray(array).save(tmp_path / "photo_mask.png")
    return tmp_path / "photo_mask.png"


def write_keypoints(path, *corners):
    people = [
        {"pose_keypoints_2d": [value for i in range(25) for value in (x + i * 0.4, y + i * 0.8, 0.9)]}
        for x, y in corners
    ]
    path.write_text(json.dumps({"people": people}))
    return path


@pytest.fixture
def keypoints(tmp_path):
    """Two people of 10 × 20 px: one outside the mask, one inside."""
    return write_keypoints(tmp_path / "photo_keypoints.json", (2.0, 2.0), (32.0, 8.0))


def test_boxes_of_keypoints_are_observed_with_a_margin_and_unknown_pixels_are_not_valid(photo, keypoints):
    class Cut(FakeObserver):
        def observe(self, image, box=None) -> Observation:
            seen = super().observe(image, box)
            seen.valid[:, 50:] = False
            return seen

    observer = Cut()
    (seen,) = observe(photo, keypoints=keypoints, person=0, observer=observer)
    ((left, top, width, height),) = observer.boxes
    # 9.6 x 19.2 px of joints, and 0.15 times 19.2 on each side
    assert (left, top, width, height) == pytest.approx((2 - 2.88, 2 - 2.88, 9.6 + 5.76, 19.2 + 5.76), abs=1e-3)
    assert not seen.valid[:, 50:].any()
    assert seen.valid[:, :50].all()


def test_from_files_alone(photo, mask, keypoints):
    (seen,) = observe(photo, mask=mask, keypoints=keypoints)
    assert seen.image_size == (40, 60)
    assert seen.skeleton.name == "body25"
    # with a mask, the person in it is the one
    assert seen.keypoints_px[0].tolist() == [32.0, 8.0]
    assert seen.box == (30.0, 5.0, 15.0, 30.0)
    assert seen.source == {"camera": "assumed", "mask": "photo_mask.png", "keypoints": "photo_keypoints.json"}
    assert seen.keypoints_3d is None
    assert seen.valid.all()


def test_missing_entries_are_observed_in_the_box_of_given_ones(photo, mask, keypoints):
    observer = FakeObserver()
    (seen,) = observe(photo, mask=mask, observer=observer)
    assert observer.boxes == [(30.0, 5.0, 15.0, 30.0)]
    assert seen.source == {"camera": "assumed", "mask": "photo_mask.png", "keypoints": "fake", "keypoints_3d": "fake"}
    assert float(seen.mask.sum()) == 15 * 30

    (seen,) = observe(photo, keypoints=keypoints, person=1, observer=observer)
    assert seen.source == {
        "camera": "assumed",
        "mask": "fake",
        "keypoints": "photo_keypoints.json",
        "keypoints_3d": "fake",
    }
    assert seen.skeleton.name == "body25"
    # 3D keypoints come in the given skeleton; MediaPipe has no neck
    assert seen.keypoints_3d[0].tolist() == [0.0, 1.0, 2.0]
    assert seen.confidence_3d[seen.skeleton.index("right_shoulder")] == pytest.approx(0.8)
    assert seen.confidence_3d[seen.skeleton.index("neck")] == 0.0


def test_the_observer_is_not_called_without_need(photo, mask, keypoints):
    observer = FakeObserver()
    observe(photo, mask=mask, keypoints=keypoints, observer=observer)
    assert observer.boxes == []
    (seen,) = observe(photo, mask=mask, keypoints=keypoints, observer=observer, always_observe_3d=True)
    assert len(observer.boxes) == 1
    assert seen.source["keypoints"] == "photo_keypoints.json"
    assert seen.keypoints_3d is not None


def test_a_mask_is_enough_when_the_observer_finds_nobody(photo, mask):
    (seen,) = observe(photo, mask=mask, observer=BlindObserver())
    assert seen.keypoints_px is None
    with pytest.raises(NoPersonError):
        observe(photo, observer=BlindObserver())
    with pytest.raises(InputError, match="neither a mask nor keypoints"):
        observe(photo)


def test_several_people(photo, keypoints):
    everyone = observe(photo, keypoints=keypoints, person="all")
    assert [one.keypoints_px[0].tolist() for one in everyone] == [[2.0, 2.0], [32.0, 8.0]]
    (one,) = observe(photo, keypoints=keypoints, box=(30.0, 5.0, 15.0, 25.0))
    assert one.keypoints_px[0].tolist() == [32.0, 8.0]
    found = observe(photo, person="all", observer=FakeObserver())
    assert [one.box for one in found] == [(0.0, 0.0, 20.0, 40.0), (40.0, 0.0, 10.0, 20.0)]
    (second,) = observe(photo, person=1, observer=FakeObserver())
    assert second.box == (40.0, 0.0, 10.0, 20.0)
    with pytest.raises(InputError, match="person 2: found 2 people"):
        observe(photo, person=2, observer=FakeObserver())


def test_occluders_are_not_valid(photo, mask, tmp_path):
    array = np.zeros((40, 60), np.uint8)
    array[:10] = 255
    Image.fromarray(array).save(tmp_path / "tree.png")
    (seen,) = observe(photo, mask=mask, occluders=tmp_path / "tree.png")
    assert not seen.valid[:10].any()
    assert seen.valid[10:].all()


def test_a_part_map_gives_the_mask(photo, keypoints, tmp_path):
    labels = np.zeros((40, 60), np.uint8)
    labels[5:35, 30:45] = 4
    labels[20:30, 45:50] = 16  # a bag
    Image.fromarray(labels).save(tmp_path / "parts.png")
    (seen,) = observe(photo, keypoints=keypoints, parts=tmp_path / "parts.png", part_space="atr")
    assert float(seen.mask.sum()) == 15 * 30
    assert seen.part_space.name == "atr"
    assert seen.source["mask"] == "labels of parts.png"
    assert seen.keypoints_px[0].tolist() == [32.0, 8.0]
    with pytest.raises(InputError, match="expected a label space with it"):
        observe(photo, keypoints=keypoints, parts=tmp_path / "parts.png")


def test_the_source_of_a_computed_part_map(photo, mask, keypoints):
    (seen,) = observe(photo, mask=mask, keypoints=keypoints, parts_from_keypoints=True)
    assert seen.part_space.name == "nbf12-outline"
    assert seen.source["parts"] == "made from mask and keypoints"
    assert ((seen.labels > 0) == (seen.mask >= 0.5)).all()


@pytest.mark.parametrize("box", [(0.0, 0.0, 0.0, 5.0), (100.0, 0.0, 5.0, 5.0), (0.0, -9.0, 5.0, 5.0)])
def test_a_box_outside_the_image(photo, box):
    with pytest.raises(InputError, match="expected left,top,width,height in pixels, inside the image of 60×40 px"):
        observe(photo, box=box, observer=FakeObserver())


def test_files_are_scaled_with_a_reduced_photo(tmp_path):
    Image.new("L", (8192, 64), 30).save(tmp_path / "wide.png")
    array = np.zeros((64, 8192), np.uint8)
    array[16:48, 1024:2048] = 255
    Image.fromarray(array).save(tmp_path / "mask.png")
    path = write_keypoints(tmp_path / "k.json", (1100.0, 20.0))
    camera = Camera(torch.tensor([[[2000.0, 0.0, 4096.0], [0.0, 2000.0, 32.0], [0.0, 0.0, 1.0]]]), 64, 8192)
    (seen,) = observe(tmp_path / "wide.png", mask=tmp_path / "mask.png", keypoints=path, camera=camera)
    assert seen.image_size == (32, 4096)
    assert (seen.file_size, seen.image_size) == ((64, 8192), (32, 4096))
    assert seen.box == (512.0, 8.0, 512.0, 16.0)
    assert seen.keypoints_px[0].tolist() == [550.0, 10.0]
    assert seen.camera.K[0, 0].tolist() == [1000.0, 0.0, 2048.0]
    with pytest.raises(InputError, match="camera: is for an image of 60×40 px"):
        observe(tmp_path / "wide.png", mask=tmp_path / "mask.png", camera=replace(camera, height=40, width=60))


def test_a_given_focal_length_takes_precedence(photo, mask):
    (seen,) = observe(photo, mask=mask, focal_35mm=43.2666)
    # a lens of the film's diagonal: as many pixels as the picture's diagonal, 72.11
    assert float(seen.camera.K[0, 0, 0]) == pytest.approx(72.11, abs=0.01)
    assert seen.source["camera"] == "focal length 43.2666 mm"
