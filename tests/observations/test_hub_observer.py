"""The observer ``transformers`` with small networks of its classes, made here and loaded by their folders."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.core.errors import InputError, MissingDependencyError, NoPersonError
from render_fit.core.parts import ATR, CIHP, LIP, PASCAL
from render_fit.core.skeletons import COCO_17
from render_fit.observations import make_observer, observe
from render_fit.observations.hub.detector import people_in, person_scores
from render_fit.observations.hub.label_space import label_space_of
from render_fit.observations.hub.networks import load_network
from render_fit.observations.hub.observer import TransformersObserver
from render_fit.observations.hub.separation import PersonPoints, nearest_person
from render_fit.observations.hub.settings import HubSettings
from render_fit.observations.images import read_photo
from tests.observations import hub_models

HEIGHT, WIDTH = 192, 128
BOX = (40.0, 20.0, 48.0, 160.0)
BOX_SHARES = (64 / WIDTH, 100 / HEIGHT, 48 / WIDTH, 160 / HEIGHT)
SEEN_BY_PARSER = (slice(4, 192), slice(24, 104))  # the box and a tenth of its longer side


def picture():
    """A person of three colours, and the label map in ATR."""
    pixels, labels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8), np.zeros((HEIGHT, WIDTH), int)
    for rows, columns, colour, label in (
        (slice(20, 50), slice(50, 78), (230, 180, 150), "face"),
        (slice(50, 110), slice(40, 88), (200, 30, 30), "upper-clothes"),
        (slice(110, 180), slice(44, 84), (30, 30, 200), "pants"),
    ):
        pixels[rows, columns], labels[rows, columns] = colour, ATR.labels.index(label)
    return pixels, labels


def as_image(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a detector, a pose network and a parser."""
    folder = tmp_path_factory.mktemp("models")
    pixels, labels = picture()
    return {
        "detector": str(hub_models.rt_detr(folder / "detector", BOX_SHARES)),
        "pose": str(hub_models.vitpose(folder / "pose")),
        "parser": str(hub_models.segformer(folder / "parser", [pixels[SEEN_BY_PARSER]], [labels[SEEN_BY_PARSER]])),
    }


@pytest.fixture(scope="module")
def observer(models):
    return TransformersObserver(HubSettings(**models))


def joint_px(name, box):
    """Where the test's pose network sees a keypoint: in the middle of a patch of the crop, which is 1.25 times the box
    at 3 : 4; its edges are the middles of the outermost cells."""
    left, top, width, height = box
    width, height = 1.25 * max(width, 0.75 * height), 1.25 * max(height, width / 0.75)
    corner = (left + box[2] / 2 - width / 2, top + box[3] / 2 - height / 2)
    row, column = (hub_models.CELLS * (patch + 0.5) - 0.5 for patch in hub_models.patch_of(name))
    cells = (hub_models.CELLS * hub_models.COLUMNS - 1, hub_models.CELLS * hub_models.ROWS - 1)
    return [corner[0] + column * width / cells[0], corner[1] + row * height / cells[1]]


def test_a_person_is_observed_whole(observer, models):
    pixels, labels = picture()
    seen = observer.observe(as_image(pixels))
    assert seen.skeleton is COCO_17 and seen.part_space is ATR and seen.keypoints_3d is None
    expected = torch.tensor([joint_px(name, BOX) for name in COCO_17.joints])
    torch.testing.assert_close(seen.keypoints_px, expected, atol=0.3, rtol=0)
    # bilinear enlargement by four: the cells beside the middle of a patch have (7/8)² of it
    assert seen.confidence.tolist() == pytest.approx([0.9 * (7 / 8) ** 2] * 17, abs=0.01)
    person = torch.from_numpy(labels > 0)
    overlap = ((seen.mask >= 0.5) & person).sum() / ((seen.mask >= 0.5) | person).sum()
    assert overlap > 0.9
    assert (seen.labels.numpy() == labels)[person].mean() > 0.9 and seen.labels.dtype == torch.int64
    assert bool((seen.labels[:, :24] == 0).all()) and float(seen.mask[:, :24].max()) == 0
    assert seen.box[0] <= 42 and seen.box[1] <= 25 and seen.box[3] >= 150
    assert seen.source == {
        "keypoints": f"transformers: {models['pose']}",
        "mask": f"transformers: {models['parser']}",
        "parts": f"transformers: {models['parser']}",
    }


def test_people_are_found_by_both_kinds_of_detectors(observer, models, tmp_path):
    image = as_image(picture()[0])
    (box,) = observer.find_people(image)
    assert box == pytest.approx(BOX, abs=1e-3)
    shares = [(0.3, 0.5, 0.3, 0.6), (0.7, 0.5, 0.3, 0.8)]
    two = TransformersObserver(HubSettings(**{**models, "detector": str(hub_models.yolos(tmp_path / "two", shares))}))
    found = two.find_people(image)
    assert found[0] == pytest.approx((0.55 * WIDTH, 0.1 * HEIGHT, 0.3 * WIDTH, 0.8 * HEIGHT), abs=1e-2)
    assert found[1] == pytest.approx((0.15 * WIDTH, 0.2 * HEIGHT, 0.3 * WIDTH, 0.6 * HEIGHT), abs=1e-2)
    people = two.observe_people([image, image])
    assert [len(each) for each in people] == [2, 2]
    large, small = people[0]
    both = (large.mask >= 0.5) & (small.mask >= 0.5)
    assert not bool(both.any()) and bool((large.mask >= 0.5).any()) and bool((small.mask >= 0.5).any())
    hidden = (small.mask >= 0.6)[:, 55:124]  # columns that the parser sees of the large person
    assert bool(hidden.any()) and not bool(large.valid[:, 55:124][hidden].any())
    torch.testing.assert_close(large.mask, two.observe(image).mask)


def test_nobody_is_an_error(models):
    image = as_image(picture()[0])
    with pytest.raises(NoPersonError, match="no person found; give a mask"):
        TransformersObserver(HubSettings(**models, min_detection=0.95)).observe(image)
    blind = TransformersObserver(HubSettings(**models, min_keypoint=0.99))
    with pytest.raises(NoPersonError, match="no person found in the box 2,2,12,9"):
        blind.observe(image, (2.0, 2.0, 12.0, 9.0))
    assert blind.observe(image, BOX).confidence.eq(0).all()  # the parser sees the person


def test_a_box_is_enough_where_the_detector_finds_nobody(models):
    seen = TransformersObserver(HubSettings(**models, min_detection=0.95)).observe(as_image(picture()[0]), BOX)
    torch.testing.assert_close(
        seen.keypoints_px, torch.tensor([joint_px(name, BOX) for name in COCO_17.joints]), atol=0.3, rtol=0
    )


def test_the_mean_with_the_mirror_image_keeps_a_symmetric_pose(observer, models):
    """The pose network is symmetric: with left and right exchanged wrongly, the peaks would be of half the height."""
    image = as_image(picture()[0])
    once = TransformersObserver(HubSettings(**models, mirrored=False)).observe(image)
    twice = observer.observe(image)
    torch.testing.assert_close(twice.keypoints_px, once.keypoints_px, atol=1e-2, rtol=0)
    torch.testing.assert_close(twice.confidence, once.confidence)


def test_networks_with_experts_are_asked_for_coco(models, tmp_path):
    pose = str(hub_models.vitpose(tmp_path / "experts", experts=2))
    seen = TransformersObserver(HubSettings(**{**models, "pose": pose})).observe(as_image(picture()[0]))
    assert bool((seen.confidence > 0.5).all())


@pytest.fixture
def settings_file(models, tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in models.items()))
    return path


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(picture()[0]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_label_maps_enter_observations_as_those_of_files_do(settings_file, photo, observer):
    (seen,) = observe(photo, observer=f"transformers:{settings_file}")
    direct = observer.observe(read_photo(photo).image)
    assert seen.part_space is ATR and torch.equal(seen.labels, direct.labels)
    assert seen.source["parts"].startswith("transformers: ") and seen.camera is not None
    everybody = observe(photo, observer=observer, person="all")
    assert len(everybody) == 1 and torch.equal(everybody[0].labels, direct.labels)


def test_given_files_win(observer, photo, tmp_path):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[30:170, 50:80] = ATR.labels.index("dress")
    Image.fromarray(labels).save(tmp_path / "parts.png")
    (seen,) = observe(photo, parts=tmp_path / "parts.png", part_space="atr", observer=observer)
    assert np.array_equal(seen.labels.numpy(), labels) and seen.source["parts"] == "parts.png"
    Image.fromarray((labels > 0).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    (seen,) = observe(photo, mask=tmp_path / "mask.png", observer=observer)
    assert seen.source["mask"] == "mask.png" and seen.source["parts"].startswith("transformers")
    # the label map ends where the given mask does, and has no holes in it
    assert np.array_equal(seen.labels.numpy() > 0, labels > 0)
    assert seen.labels[140, 65] == ATR.labels.index("pants") and seen.labels[175, 65] == 0


def test_mask_and_keypoints_are_known_and_labels_are_observed(observer, photo, tmp_path):
    Image.fromarray((picture()[1] > 0).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    points = [number for name in COCO_17.joints for number in (*joint_px(name, BOX), 2)]
    (tmp_path / "keypoints.json").write_text(json.dumps([{"keypoints": points}]))
    (seen,) = observe(photo, mask=tmp_path / "mask.png", keypoints=tmp_path / "keypoints.json", observer=observer)
    assert seen.source["keypoints"] == "keypoints.json" and seen.source["mask"] == "mask.png"
    assert seen.source["parts"].startswith("transformers: ")


def test_the_settings_are_checked(tmp_path):
    path = tmp_path / "models.yaml"
    for text, words in (
        ("detectr: a/b", "unknown key 'detectr': not known; did you mean 'detector'?"),
        ("min_detection: 2", "min_detection: Input should be less than or equal to 1"),
        ("label_space: coco", "label_space: part labels 'coco': unknown label space; known are smpl24"),
        ("- a", "expected a mapping of keys"),
    ):
        path.write_text(text)
        with pytest.raises(InputError) as error:
            make_observer(f"transformers:{path}")
        assert str(error.value).startswith(f"{path}: ") and words in str(error.value)
    for choice, words in (
        ("blazepose:models.yaml", "observer 'blazepose' has no settings"),
        ("transformers:", "expected a name, or NAME:FILE.yaml"),
        ("transformers:nowhere.yaml", "nowhere.yaml: no such file"),
        ("transformer", "did you mean 'transformers'?"),
    ):
        with pytest.raises(InputError, match=words):
            make_observer(choice)


def test_models_that_cannot_be_used_are_one_line(models, tmp_path):
    cpu = torch.device("cpu")
    empty, pickled = tmp_path / "empty", tmp_path / "pickled"
    empty.mkdir()
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"")
    broken = hub_models.rt_detr(tmp_path / "broken", BOX_SHARES)
    (broken / "model.safetensors").write_bytes(b"x" * 100)
    for purpose, name, words in (
        ("person detector", "no/such/folder", "no such folder, nor the name of a model on the hub"),
        ("person detector", str(empty), "no config.json in it"),
        ("pose network", str(pickled), "weights as pickles are not read"),
        ("person detector", models["parser"], "cannot be loaded as AutoModelForObjectDetection"),
        ("pose network", models["parser"], "VitPoseForPoseEstimation"),
        ("person detector", str(broken), "cannot be loaded"),
    ):
        with pytest.raises(InputError, match=words) as error:
            load_network(purpose, name, cpu)
        assert str(error.value).startswith(f"{purpose} {name!r}: ") and "\n" not in str(error.value)


def test_a_backbone_of_timm_needs_timm(models, tmp_path, monkeypatch):
    folder = hub_models.rt_detr(tmp_path / "timm", BOX_SHARES)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "use_timm_backbone": True, "backbone": "resnet50"}))
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"its backbone is one of timm's: pip install timm"):
        load_network("person detector", str(folder), torch.device("cpu"))


def test_models_of_other_kinds_are_one_line(models, tmp_path):
    config = json.loads((hub_models.rt_detr(tmp_path / "cats", BOX_SHARES) / "config.json").read_text())
    config["id2label"] = {"0": "cat", "1": "dog", "2": "car"}
    (tmp_path / "cats" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="detects no 'person'; its classes: cat, dog, car"):
        TransformersObserver(HubSettings(**{**models, "detector": str(tmp_path / "cats")}))


def test_offline_models_that_were_not_fetched_are_one_line(tmp_path):
    code = (
        "from render_fit.core.errors import InputError\n"
        "from render_fit.observations import make_observer\n"
        "try: make_observer('transformers')\n"
        "except InputError as error: print(error)"
    )
    environment = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=True
    ).stdout.splitlines()
    assert told == [
        "person detector 'PekingU/rtdetr_r50vd': no such folder, and not yet fetched from the Hugging Face hub "
        "(HF_HUB_OFFLINE is set); fetch it once online, or give a folder"
    ]


def test_models_of_the_hub_s_cache_are_used_offline(models, tmp_path):
    """As the hub's own client lays out its cache."""
    for name in ("detector", "pose", "parser"):
        kept = tmp_path / f"models--someone--{name}"
        shutil.copytree(models[name], kept / "snapshots" / "0123")
        (kept / "refs").mkdir()
        (kept / "refs" / "main").write_text("0123")
    code = (
        "import torch\nfrom render_fit.observations.hub.observer import TransformersObserver\n"
        "from render_fit.observations.hub.settings import HubSettings\n"
        "observer = TransformersObserver(HubSettings(**{k: f'someone/{k}' for k in ('detector', 'pose', 'parser')}))\n"
        "print(observer.find_people(torch.zeros(3, 192, 128)))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    left = float(told.stdout.lstrip("[(").split(",")[0])
    assert left == pytest.approx(BOX[0], abs=1e-3)
    assert "Loading" not in told.stderr


def test_label_spaces_are_recognised_by_their_names():
    # config.json of mattmdjaga/segformer_b2_clothes, id2label
    clothes = [
        "Background", "Hat", "Hair", "Sunglasses", "Upper-clothes", "Skirt", "Pants", "Dress", "Belt", "Left-shoe",
        "Right-shoe", "Face", "Left-leg", "Right-leg", "Left-arm", "Right-arm", "Bag", "Scarf",
    ]  # fmt: skip
    assert label_space_of(clothes, "parser") == (ATR, tuple(range(18)))
    space, order = label_space_of(list(reversed(clothes)), "parser")
    assert space is ATR and order == tuple(range(17, -1, -1))
    assert label_space_of([label.upper().replace("-", "_") for label in LIP.labels], "parser")[0] is LIP
    assert label_space_of(CIHP.labels, "parser")[0] is CIHP and label_space_of(PASCAL.labels, "parser")[0] is PASCAL
    unnamed = [f"LABEL_{i}" for i in range(20)]
    with pytest.raises(InputError, match=r"parser: its 20 classes \(LABEL_0, .*no known label space: smpl24, .*lip"):
        label_space_of(unnamed, "parser")
    assert label_space_of(unnamed, "parser", "lip") == (LIP, tuple(range(20)))
    with pytest.raises(InputError, match="has 20 classes; label space 'atr' has 18 labels"):
        label_space_of(unnamed, "parser", "atr")


def test_scores_and_boxes_of_detectors():
    """By hand: sigmoid(0) = 0.5 and softmax of (0, ln 2, 0) = 0.5."""
    assert person_scores(torch.tensor([[3.0, 0.0]]), 1, 2).item() == pytest.approx(0.5)
    assert person_scores(torch.tensor([[0.0, np.log(2), 0.0]]).float(), 1, 2).item() == pytest.approx(0.5)
    boxes = torch.tensor(
        [
            [0.5, 0.5, 0.2, 0.5],  # nearly the same as the next, and less sure
            [0.5, 0.5, 0.2, 0.52],
            [0.1, 0.5, 0.4, 0.8],  # over the left edge
            [0.8, 0.8, 0.01, 0.01],  # too small
            [0.8, 0.2, 0.2, 0.2],  # not sure enough
        ]
    )
    found = people_in(boxes, torch.tensor([0.8, 0.9, 0.7, 0.9, 0.4]), 0.5, (200.0, 100.0), (200, 100))
    assert [pytest.approx(box, abs=1e-3) for box in found] == [(0.0, 20.0, 30.0, 160.0), (40.0, 48.0, 20.0, 104.0)]


def test_pixels_belong_to_the_nearest_person():
    """Two upright people without keypoints, of one size and of half that: pixels between are shared by size."""
    nothing = (torch.zeros(17, 2), torch.zeros(17))
    left, right = PersonPoints((0.0, 0.0, 20.0, 80.0), *nothing), PersonPoints((50.0, 0.0, 20.0, 80.0), *nothing)
    own = nearest_person([left, right], (0.0, 0.0, 70.0, 80.0), 80, 70)
    assert own.sum(dim=1).tolist() == [35] * 80  # the middle between x = 10 and x = 60
    child = PersonPoints((55.0, 40.0, 10.0, 40.0), *nothing)
    own = nearest_person([left, child], (0.0, 0.0, 70.0, 80.0), 80, 70)
    assert int(own[60].sum()) == pytest.approx(10 + 50 * 2 / 3, abs=1)
    # an arm of the left person that reaches to the right one
    points, seen = torch.zeros(17, 2), torch.zeros(17)
    for name, at in (("left_shoulder", (12.0, 20.0)), ("left_elbow", (55.0, 20.0)), ("left_hip", (12.0, 50.0))):
        points[COCO_17.index(name)], seen[COCO_17.index(name)] = torch.tensor(at), 1.0
    own = nearest_person([PersonPoints(left.box, points, seen), right], (0.0, 0.0, 70.0, 80.0), 80, 70)
    assert bool(own[20, :57].all()) and not bool(own[60, 45])
