"""What files about one person say is compared, and told in one sentence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.core.errors import InputError
from render_fit.core.parts import LIP, NBF_12
from render_fit.core.skeletons import COCO_17
from render_fit.observations import observe
from render_fit.observations.agreement import contradicting_labels, labels_contradict
from render_fit.observations.observation import Observation
from render_fit.observations.parts_from_keypoints import parts_from_keypoints
from tests.observations.files import standing, write_json
from tests.observations.test_observe import BlindObserver, FakeObserver

SIZE = (120, 160)
POINTS = np.reshape(standing(COCO_17.joints, scale=4, left=15, top=1), (17, 3))


def body_mask():
    """A mask around the keypoints."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    near = [(columns - x) ** 2 + (rows - y) ** 2 < 12**2 for x, y, _ in POINTS]
    return np.any(near, axis=0)


@pytest.fixture
def files(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    keypoints = write_json(tmp_path / "k.json", [{"keypoints": POINTS.ravel().tolist()}])

    def mask(array, name="mask.png"):
        Image.fromarray(array.astype(np.uint8)).save(tmp_path / name)
        return tmp_path / name

    return tmp_path / "photo.png", keypoints, mask


def elsewhere():
    mask = np.zeros(SIZE, dtype=bool)
    mask[20:100, 5:30] = True
    return mask


def test_files_that_agree_say_nothing(files):
    photo, keypoints, mask = files
    (seen,) = observe(photo, mask=mask(255 * body_mask()), keypoints=keypoints)
    assert seen.notes == ()


@pytest.mark.parametrize(
    "array, message",
    [
        (255 * elsewhere(), "only 0 % of the keypoints of .*k.json lie in the mask"),
        (255 * ~body_mask(), "seems inverted"),
    ],
    ids=["elsewhere", "inverted"],
)
def test_a_mask_that_holds_no_keypoint_is_refused(files, array, message):
    photo, keypoints, mask = files
    path = mask(array)
    with pytest.raises(InputError, match=message) as caught:
        observe(photo, mask=path, keypoints=keypoints)
    assert str(caught.value).startswith(str(path))


def test_a_mask_of_half_of_the_person_is_told(files):
    photo, keypoints, mask = files
    upper = body_mask()
    upper[35:] = False
    (seen,) = observe(photo, mask=mask(255 * upper), keypoints=keypoints)
    assert len(seen.notes) == 1 and "of the keypoints" in seen.notes[0]


def test_an_observer_that_sees_somebody_else_or_nobody_is_told(files):
    photo, keypoints, mask = files
    (seen,) = observe(photo, mask=mask(255 * body_mask()), observer=BlindObserver())
    assert seen.notes == ("fake sees no person where mask.png says that there is one",)
    (seen,) = observe(photo, keypoints=keypoints, observer=BlindObserver())
    assert seen.notes == ("fake sees no person where k.json says that there is one",)
    (seen,) = observe(photo, mask=mask(255 * body_mask()), keypoints=keypoints, observer=FakeObserver())
    assert seen.notes == ()


def test_a_part_map_elsewhere_is_refused(files):
    photo, keypoints, mask = files
    parts = mask(9 * elsewhere(), "parts.png")
    with pytest.raises(InputError, match="keypoints of .*k.json lie in the part map"):
        observe(photo, parts=parts, part_space="lip", keypoints=keypoints)
    with pytest.raises(InputError, match="hardly any labelled pixel lies in the mask"):
        observe(photo, mask=mask(255 * body_mask()), parts=parts, part_space="lip")


def test_occluders_over_the_person_and_a_box_elsewhere_are_refused(files):
    photo, _, mask = files
    person = mask(255 * body_mask())
    with pytest.raises(InputError, match=r"occluders cover 100 % of the person's mask"):
        observe(photo, mask=person, occluders=mask(255 * body_mask(), "tree.png"))
    with pytest.raises(InputError, match=r"--box: the box does not touch the mask of mask.png"):
        observe(photo, mask=person, box=(0.0, 100.0, 10.0, 10.0))


def test_all_people_with_a_mask_of_one_is_told(files):
    photo, keypoints, mask = files
    (seen,) = observe(photo, mask=mask(255 * body_mask()), keypoints=keypoints, person="all")
    assert seen.notes == ("--person all: the mask is about one person, who was fitted",)


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_the_instance_under_the_keypoints_is_the_person(files, numbers):
    photo, keypoints, mask = files
    instances = np.where(body_mask(), numbers[0], np.where(elsewhere(), numbers[1], 0))
    (seen,) = observe(photo, mask=mask(instances), keypoints=keypoints)
    assert bool((seen.mask == torch.from_numpy(body_mask()).float()).all())
    with pytest.raises(InputError, match="has the labels 1 and 2"):
        observe(photo, mask=mask(instances))


def test_everybody_gets_the_mask_of_their_own_instance(files):
    photo, _, mask = files
    other, mine = POINTS - [60, 0, 0], body_mask()
    theirs = np.roll(mine, -60, axis=1) & ~mine
    both = write_json(photo.parent / "both.json", [{"keypoints": p.ravel().tolist()} for p in (POINTS, other)])
    first, second = observe(photo, mask=mask(np.where(mine, 1, np.where(theirs, 2, 0))), keypoints=both, person="all")
    assert bool((first.mask == torch.from_numpy(mine).float()).all())
    assert bool((second.mask == torch.from_numpy(theirs).float()).all())


def person(labels, space):
    return Observation.of(
        torch.zeros(3, *SIZE),
        keypoints_px=torch.tensor(POINTS[:, :2]).float(),
        skeleton=COCO_17,
        labels=torch.as_tensor(labels).long(),
        part_space=space,
    )


def test_labels_of_other_parts_under_the_keypoints_are_counted():
    mask = torch.from_numpy(body_mask()).float()
    right = parts_from_keypoints(mask, torch.tensor(POINTS[:, :2]).float(), torch.ones(17), COCO_17)
    assert not labels_contradict(person(right, NBF_12))
    torso = person(np.where(body_mask(), NBF_12.labels.index("upper torso"), 0), NBF_12)
    wrong, counted = contradicting_labels(torso)
    assert counted == 17 and wrong >= 11 and labels_contradict(torso)
    coat = person(np.where(body_mask(), LIP.labels.index("coat"), 0), LIP)
    assert contradicting_labels(coat)[0] < contradicting_labels(torso)[0]
    assert contradicting_labels(replace(torso, labels=None)) == (0, 0)
