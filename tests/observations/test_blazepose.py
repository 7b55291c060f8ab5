"""BlazePose's networks and graph: against stored results of MediaPipe, against MediaPipe itself, and piece by piece."""

import math
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import render_fit
from benchmarks.against_mediapipe import TURNS, PoseGraph
from render_fit.core.errors import NoPersonError
from render_fit.observations import observe
from render_fit.observations.blazepose.detector import PersonDetector, detections
from render_fit.observations.blazepose.landmarks import refined
from render_fit.observations.blazepose.observer import BlazePoseObserver
from render_fit.observations.blazepose.passes import Networks, Pyramid, View
from render_fit.observations.blazepose.regions import Regions
from render_fit.observations.blazepose.weights import ASSET, read_networks, write_networks
from render_fit.observations.images import read_photo

FIXTURE = Path(__file__).parent / "blazepose_astronaut.npz"


@pytest.fixture(scope="module")
def networks():
    return Networks(torch.device("cpu"))


@pytest.fixture(scope="module")
def observer():
    return BlazePoseObserver("cpu")


@pytest.fixture(scope="module")
def astronaut():
    """Eileen Collins (NASA, public domain; 512 × 512)."""
    data = pytest.importorskip("skimage.data")
    return torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def stored():
    return {name: torch.from_numpy(array) for name, array in np.load(FIXTURE).items()}


def people_in(networks, image, region):
    """What the landmark network finds in a region that is read as MediaPipe reads it."""
    with torch.inference_mode():
        return networks.look([View(Pyramid(image, most_halvings=0), region)])[0]


def differences(people, keypoints_px, visibility, world):
    """Keypoints (pixels of the network's input of 256), confidence and 3D keypoints (metres)."""
    scale = 256 / people.regions.side_px
    return (
        (people.keypoints_px[0] - keypoints_px).norm(dim=1) * scale,
        (people.confidence[0] - visibility).abs(),
        (people.keypoints_3d[0] - world).norm(dim=1),
    )


# MediaPipe Pose, stored (by `python -m benchmarks.against_mediapipe --fixture FILE`) and run


@pytest.mark.parametrize("turns", TURNS)
def test_a_region_gives_what_mediapipe_found_there(networks, astronaut, stored, turns):
    x, y, side, angle = stored[f"region_{turns}"]
    region = Regions(torch.stack([x, y])[None], side[None], angle[None])
    people = people_in(networks, astronaut.rot90(turns, (1, 2)), region)
    found = [stored[f"{name}_{turns}"] for name in ("keypoints_px", "visibility", "world")]
    keypoints, confidence, world = differences(people, *found)
    assert float(keypoints.max()) < 0.5 and float(confidence.max()) < 0.02 and float(world.max()) < 0.005
    mask = people.regions.paste_mean(people.mask, 512, 512)
    mask = region.crop(mask[None], 256, replicate=False)[0, 0, ::4, ::4]
    assert float((mask - stored[f"mask_{turns}"] / 255).abs().mean()) < 0.01
    assert 0.05 < float(mask.mean()) < 0.5


@pytest.mark.parametrize("turns", TURNS)
def test_the_first_detection_gives_the_region_of_mediapipe(networks, astronaut, stored, turns):
    whole = Regions.squares([(0.0, 0.0, 512.0, 512.0)])
    image = Pyramid(astronaut.rot90(turns, (1, 2)), most_halvings=0)
    regions, score = networks.detect([View(image, whole)], 0.5)[0][0]
    x, y, side, angle = stored[f"region_{turns}"].tolist()
    assert float(score[0]) == float(score.max())
    assert float((regions.centre_px[0] - torch.tensor([x, y])).norm()) < 0.01 * side
    assert abs(float(regions.side_px[0]) - side) < 0.01 * side
    assert abs(float(regions.angle[0]) - angle) < 0.01
    assert abs(angle - (0.0 if turns == 0 else -math.pi / 2)) < 0.5  # the picture was turned against the clock


def test_photos_give_what_mediapipe_finds(networks, shared_data):
    """Street photos, one in five: the same region is shown to both."""
    pytest.importorskip("mediapipe")
    graph, means, masks = PoseGraph(), [], []
    for path in islice(sorted((shared_data / "ccp").glob("*.jpg")), 0, None, 5):
        image = read_photo(path).image
        found = graph.find((image * 255).round().byte().permute(1, 2, 0).numpy())
        assert found is not None
        people = people_in(networks, image, found.region)
        keypoints, confidence, world = differences(people, found.keypoints_px, found.visibility, found.world)
        means.append(float(keypoints.mean()))
        assert float(confidence.max()) < 0.05 and float(world.max()) < 0.02
        pasted = people.regions.paste_mean(people.mask, *image.shape[1:])
        masks.append(float((found.region.crop(pasted[None] - found.mask[None], 256, False)).abs().mean()))
    assert max(masks) < 0.01
    assert max(means) < 0.5


# piece by piece


def test_regions_follow_the_alignment_points():
    """The person's head is up in the region: a point above the hips in the image, or to their right."""
    hips, reach = torch.tensor([100.0, 80.0]), 40.0
    for direction, angle in (((0.0, -1.0), 0.0), ((1.0, 0.0), math.pi / 2), ((-1.0, 0.0), -math.pi / 2)):
        top = hips + reach * torch.tensor(direction)
        region = Regions.around(torch.stack([hips, top])[None])
        assert float(region.angle[0]) == pytest.approx(angle, abs=1e-5)
        assert float(region.side_px[0]) == pytest.approx(2 * 1.25 * reach)
        there = region.to_image(torch.tensor([[[0.5, 0.5], [0.5, 0.5 - 0.4]]]))[0]  # 0.4 = 1 / (2 · 1.25)
        assert torch.allclose(there, torch.stack([hips, top]), atol=1e-3)


def test_a_map_is_pasted_back_where_it_was_cropped():
    rows, columns = torch.meshgrid(torch.arange(300.0), torch.arange(400.0), indexing="ij")
    blob = torch.exp(-((columns - 220) ** 2 + (rows - 140) ** 2) / (2 * 30**2))
    region = Regions(torch.tensor([[210.0, 150.0]]), torch.tensor([260.0]), torch.tensor([0.7]))
    back = region.paste_mean(region.crop(blob[None], 256, replicate=False)[:, 0], 300, 400)
    inside = region.paste_mean(torch.ones(1, 256, 256), 300, 400) > 0.99
    assert inside.sum() > 40_000
    assert float((back - blob)[inside].abs().max()) < 0.01
    assert float(back[0, 0]) == 0.0


def test_outside_of_the_image_a_crop_is_zero_or_goes_on():
    image = torch.full((3, 50, 50), 0.5)
    region = Regions.squares([(40.0, 0.0, 50.0, 50.0)])
    assert float(region.crop(image, 64, replicate=False)[0, 0, 20, -1]) == 0.0
    assert float(region.crop(image, 64, replicate=True)[0, 0, 20, -1]) == 0.5


def test_landmarks_move_to_the_mean_of_the_heat_map():
    heatmap = torch.zeros(1, 3, 64, 64)
    heatmap[0, 0, 20, 30], heatmap[0, 0, 20, 32] = 0.9, 0.3  # within four cells of the point
    heatmap[0, 1, 40, 40] = 0.4  # below the confidence
    heatmap[0, 2, 20, 36] = 0.9  # five cells away
    points = torch.tensor([[[31.2, 18.9], [40.0, 40.0], [31.0, 20.0]]]) / 64
    moved = refined(points, heatmap) * 64
    assert torch.allclose(moved[0, 0], torch.tensor([(30 * 0.9 + 32 * 0.3) / 1.2, 20.0]))
    assert torch.equal(moved[0, 1:], points[0, 1:] * 64)


def test_landmarks_at_the_edge_and_outside():
    heatmap = torch.ones(1, 2, 64, 64)
    moved = refined(torch.tensor([[[0.0, 0.0], [1.5, 0.5]]]), heatmap) * 64
    assert torch.allclose(moved[0, 0], torch.tensor([2.0, 2.0]))  # the mean of cells 0 to 4
    assert torch.equal(moved[0, 1], torch.tensor([96.0, 32.0]))


def test_detections_of_one_face_are_averaged():
    points = torch.zeros(3, 6, 2)
    points[:, 1] = 0.2  # size of the faces
    points[:, 0] = torch.tensor([[0.50, 0.5], [0.54, 0.5], [0.9, 0.5]])
    points[:, 2] = points[:, 0]
    found = detections(torch.tensor([0.6, 0.9, 0.7]), points, min_score=0.5)
    assert found.score.tolist() == pytest.approx([0.9, 0.7])
    assert found.points[0, 0].tolist() == pytest.approx([(0.6 * 0.50 + 0.9 * 0.54) / 1.5, 0.5])
    assert len(detections(torch.tensor([0.1, 0.2, 0.3]), points, min_score=0.5).score) == 0


def test_the_detector_has_the_anchors_of_mediapipe():
    """2,254: 28² · 2 + 14² · 2 + 7² · 6."""
    score, points = PersonDetector()(torch.zeros(1, 3, 224, 224))
    assert score.shape == (1, 2254) and points.shape == (1, 2254, 6, 2)


def test_weights_are_written_and_read(tmp_path):
    detector, landmarks = read_networks()
    write_networks(detector, landmarks, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == ASSET.read_bytes()
    assert ASSET.stat().st_size < 10e6
    package = Path(render_fit.__file__).parent
    assert sum(path.stat().st_size for path in package.rglob("assets/*")) < 40e6


# all people


def two_and_nobody(astronaut):
    half = torch.nn.functional.avg_pool2d(astronaut[None], 2)[0]
    picture = torch.full((3, 300, 700), 0.5)
    picture[:, 44:, 20:276] = half
    picture[:, 94:, 470:676] = torch.nn.functional.interpolate(half[None], size=(206, 206), mode="area")[0]
    return picture


def test_all_people_the_largest_first_and_a_batch_as_each_photo(observer, astronaut):
    photos = [two_and_nobody(astronaut), torch.full((3, 200, 300), 0.3), astronaut]
    people = observer.observe_people(photos)
    assert [len(of_photo) for of_photo in people] == [2, 0, 1]
    large, small = people[0]
    assert large.box[0] < 276 and small.box[0] > 400
    assert large.box[2] * large.box[3] > small.box[2] * small.box[3]
    alone = observer.observe_people([astronaut])[0][0]
    assert torch.equal(alone.keypoints_px, people[2][0].keypoints_px)
    assert torch.equal(alone.mask, people[2][0].mask)


def test_observe_finds_all_people_or_the_largest(observer, astronaut, tmp_path):
    from PIL import Image

    path = tmp_path / "two.png"
    Image.fromarray((two_and_nobody(astronaut) * 255).byte().permute(1, 2, 0).numpy()).save(path)
    everybody = observe(path, observer=observer, person="all")
    assert [one.box[0] < 350 for one in everybody] == [True, False]
    (largest,) = observe(path, observer=observer)
    assert largest.box[0] < 350
    (second,) = observe(path, observer=observer, person=1)
    assert second.box[0] > 350


@pytest.mark.parametrize("name", ["cat", "coffee", "rocket"])
def test_pictures_without_people(observer, name):
    data = pytest.importorskip("skimage.data")
    pixels = np.asarray(getattr(data, name)())
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    assert observer.observe_people([image]) == [[]]
    with pytest.raises(NoPersonError):
        observer.observe(image)


def test_the_annotated_people_of_coco_are_among_all(observer, shared_data):
    from render_fit.core.metrics import iou
    from render_fit.datasets.images import read_coco

    samples = read_coco(shared_data)[::3]
    people = observer.observe_people([read_photo(sample.image_path).image for sample in samples])
    for sample, of_photo in zip(samples, people, strict=True):
        overlaps = [float(iou(one.mask[None] >= 0.5, sample.mask[None] >= 0.5)) for one in of_photo]
        assert max(overlaps) > 0.5, sample.name


def test_the_observer_starts_without_mediapipe():
    code = (
        "import sys; from render_fit.observations import OBSERVERS; OBSERVERS['blazepose']();"
        "print(sorted({'mediapipe', 'cv2', 'jax', 'google', 'tflite'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
