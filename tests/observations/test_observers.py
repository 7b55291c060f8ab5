"""Both observers on real pictures: scikit-image's public-domain astronaut, and research photos where present."""

import sys

import pytest
import torch

from render_fit.core.errors import MissingDependencyError, NoPersonError
from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.observations import OBSERVERS
from render_fit.observations.images import read_photo


@pytest.fixture(scope="module", params=["blazepose", "mediapipe"])
def observer(request):
    if request.param == "mediapipe":
        pytest.importorskip("mediapipe")
    return OBSERVERS[request.param]()


@pytest.fixture
def mediapipe_observer():
    pytest.importorskip("mediapipe")
    return OBSERVERS["mediapipe"]()


@pytest.fixture(scope="module")
def astronaut():
    """Eileen Collins, head and upper body, facing the camera (NASA, public domain; 512 × 512)."""
    data = pytest.importorskip("skimage.data")
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def seen(observer, astronaut):
    return observer.observe(astronaut)


def point(observation, joint):
    return observation.keypoints_px[MEDIAPIPE_33.index(joint)]


def overlap(a, b) -> float:
    a, b = a >= 0.5, b >= 0.5
    return float((a & b).sum() / (a | b).sum())


def test_keypoints_have_their_known_positions(seen):
    # read off the picture, ± 10 px
    for joint, at in {"nose": (223, 128), "left_eye": (246, 103), "right_eye": (204, 103)}.items():
        assert (point(seen, joint) - torch.tensor(at)).norm() < 15, joint
    assert point(seen, "left_shoulder")[0] > point(seen, "right_shoulder")[0] + 100
    assert seen.skeleton is MEDIAPIPE_33
    assert seen.source["mask"].split()[0] in OBSERVERS


def test_keypoints_outside_the_image_have_no_confidence(seen):
    for joint in ("left_knee", "right_ankle"):
        assert seen.confidence[MEDIAPIPE_33.index(joint)] < 0.2


def test_mask_is_the_person_and_not_the_flag(seen):
    assert seen.mask.shape == (512, 512)
    assert seen.mask[130, 225] > 0.9  # the face
    assert seen.mask[450, 200] > 0.9  # the suit
    assert seen.mask[60, 40] < 0.5  # the flag
    assert seen.mask[300, 450] < 0.5  # the black box
    assert 0.35 < float((seen.mask >= 0.5).float().mean()) < 0.55


def test_3d_keypoints_are_in_camera_axes(seen):
    """x right, y down, z away from the camera, metres, from the middle of the hips."""
    where = {joint: seen.keypoints_3d[MEDIAPIPE_33.index(joint)] for joint in MEDIAPIPE_33.joints}
    assert where["left_shoulder"][0] > 0.08 and where["right_shoulder"][0] < -0.08
    assert -0.8 < where["nose"][1] < -0.4
    assert where["nose"][2] < (where["left_ear"][2] + where["right_ear"][2]) / 2
    hips = (where["left_hip"] + where["right_hip"]) / 2
    assert float(hips.norm()) < 0.05


def test_the_mirror_image_gives_the_mirrored_observation(observer, astronaut, seen):
    left, *others = seen.box
    swap = list(MEDIAPIPE_33.left_right_swap)
    cases = (  # mean and largest difference of sure keypoints, pixels; without a box the two searches differ as well
        (seen, None, 5, 12),
        (observer.observe(astronaut, seen.box), (512 - left - others[1], *others), 2, 4),
    )
    for there, box, mean, largest in cases:
        mirrored = observer.observe(astronaut.flip(2), box)
        assert overlap(mirrored.mask.flip(1), there.mask) > 0.95
        sure = there.confidence > 0.8
        flipped = mirrored.keypoints_px[swap] * torch.tensor([-1.0, 1.0]) + torch.tensor([512.0, 0.0])
        error = (flipped - there.keypoints_px).norm(dim=1)[sure]
        assert sure.sum() > 10
        assert float(error.mean()) < mean and float(error.max()) < largest


def test_scale_and_position_in_the_image_do_not_matter(observer, astronaut, seen):
    """The same person, half as large, in the corner of a grey picture."""
    half = torch.nn.functional.avg_pool2d(astronaut[None], 2)[0]
    picture = torch.full((3, 400, 700), 0.4)
    picture[:, 144:, 400:656] = half
    there = observer.observe(picture)
    assert overlap(there.mask[144:, 400:656], torch.nn.functional.avg_pool2d(seen.mask[None], 2)[0]) > 0.9
    assert (point(there, "nose") - (point(seen, "nose") / 2 + torch.tensor([400.0, 144.0]))).norm() < 6


def test_a_box_chooses_between_two_people(observer, astronaut):
    picture = torch.full((3, 300, 700), 0.5)
    half = torch.nn.functional.avg_pool2d(astronaut[None], 2)[0]
    picture[:, 44:, 20:276] = half
    picture[:, 44:, 424:680] = half
    for left in (20.0, 424.0):
        there = observer.observe(picture, (left, 44.0, 220.0, 256.0))
        assert left < float(point(there, "nose")[0]) < left + 256
        assert float(there.mask[:, 300:400].max()) < 0.5
    boxes = observer.find_people(picture, everyone=True)
    centres = sorted(box[0] + box[2] / 2 for box in boxes[:2])
    assert centres[0] < 350 < centres[1]


def test_pixels_beyond_a_box_that_truncates_the_person_are_not_valid(observer, astronaut, seen):
    """The mask ends there because nothing else was shown, not because the person does."""
    assert seen.valid.all()
    left, top, width, height = seen.box
    cut = observer.observe(astronaut, (left, top, width, 0.7 * height))
    edge = top + 0.7 * height + 0.05 * max(width, 0.7 * height)
    told = cut.valid.any(1).nonzero()[:, 0]
    assert abs(int(told.max()) + 1 - edge) <= 2
    assert (cut.mask[int(told.max())] >= 0.5).sum() > 50
    assert not (cut.mask[~cut.valid] >= 0.5).any()


@pytest.mark.parametrize("kind", ["blank", "noise", "checks"])
def test_an_image_without_people(observer, kind):
    torch.manual_seed(0)
    image = {
        "blank": torch.ones(3, 200, 300),
        "noise": torch.rand(3, 200, 300),
        "checks": torch.ones(3, 10, 15).mul_(torch.arange(15) % 2).repeat_interleave(20, 1).repeat_interleave(20, 2),
    }[kind]
    with pytest.raises(NoPersonError, match="no person found"):
        observer.observe(image)


def test_an_empty_box(observer, astronaut):
    with pytest.raises(NoPersonError, match="no person found in the box 5,5,60,60"):
        observer.observe(torch.ones(3, 400, 400) * 0.6, (5.0, 5.0, 60.0, 60.0))


@pytest.mark.parametrize("name", ["blazepose", "mediapipe"])
def test_nothing_is_written_to_the_terminal(name, capfd, astronaut):
    if name == "mediapipe":
        pytest.importorskip("mediapipe")
    OBSERVERS[name]().observe(astronaut)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_without_mediapipe_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions.pose", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "render-fit\[mediapipe\]"'):
        OBSERVERS["mediapipe"]()


def test_people_in_a_crowd(observer, shared_data):
    """COCO 227000: one of three annotated women at a parking meter, chosen by her box."""
    from render_fit.datasets.images import read_coco

    for sample in read_coco(shared_data):
        if sample.name in ("000000227000_505930", "000000227000_2162823"):
            seen = observer.observe(read_photo(sample.image_path).image, tuple(sample.box_xywh.tolist()))
            assert overlap(seen.mask, sample.mask.float()) > 0.8


def test_a_detection_without_extent_is_rejected(mediapipe_observer, monkeypatch):
    """The network sometimes reports a person of whom nothing is visible."""
    from render_fit.observations.mediapipe_network import PoseDetection

    confidence = torch.zeros(33)
    confidence[0] = 0.9
    ghost = PoseDetection(torch.full((33, 2), 50.0), confidence, torch.zeros(33, 3), torch.zeros(100, 100))
    monkeypatch.setattr(mediapipe_observer._network, "detect", lambda image, square: ghost)
    with pytest.raises(NoPersonError):
        mediapipe_observer.observe(torch.ones(3, 100, 100))


def test_keypoints_without_a_mask_are_rejected(mediapipe_observer, monkeypatch):
    from render_fit.observations.mediapipe_network import PoseDetection

    points = torch.linspace(20.0, 80.0, 33)[:, None].expand(33, 2)
    ghost = PoseDetection(points, torch.ones(33), torch.zeros(33, 3), torch.zeros(576, 576))
    monkeypatch.setattr(mediapipe_observer._network, "detect", lambda image, square: ghost)
    monkeypatch.setattr(mediapipe_observer._network, "detect_mirrored", lambda image, square: ghost)
    with pytest.raises(NoPersonError):
        mediapipe_observer.observe(torch.ones(3, 100, 100), (20.0, 20.0, 60.0, 60.0))
