"""Clothed people: garments hang outside the body, labels name what is worn, frequencies are those of the table."""

import math

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.parts import ATR, LIP, SMPL_24_PARTS
from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis import everyday_pose
from render_fit.synthesis.clothed_people import clothed_person, displaced, photograph
from render_fit.synthesis.garments import dressing
from render_fit.synthesis.garments.dressing import heel_tilt, pose_with_heels
from render_fit.synthesis.garments.sheets import Collider, hang, hull_radius
from render_fit.synthesis.garments.wardrobe import Clothes, WardrobeFrequencies, sample_clothes
from render_fit.synthesis.independent_rasterizer import rasterize

SIZE = (240, 160)


@pytest.fixture(scope="module")
def body():
    return open_body()


def layer_of(person, kind):
    """Vertices, rest points and outward normals of all sheets of a kind that are not layers on the skin."""
    layers, kinds = person.dressed.layers, person.dressed.kinds
    number = [index for index, one in enumerate(kinds) if one == kind][-1]
    faces = layers.faces[layers.face_layers == number]
    front = faces[: len(faces) // 2]
    used = np.unique(front)
    return layers.vertices_camera[used], layers.vertices_rest[used], layers.normals[used]


def test_the_same_seed_makes_the_same_person(body):
    first, again, other = (clothed_person(body, everyday_pose("walking"), seed, image_size=SIZE) for seed in (5, 5, 6))
    assert first.dressed.clothes == again.dressed.clothes
    np.testing.assert_array_equal(first.dressed.layers.vertices_camera, again.dressed.layers.vertices_camera)
    np.testing.assert_array_equal(first.mask, again.mask)
    seen, same = first.observation(body), again.observation(body)
    assert torch.equal(seen.mask, same.mask) and torch.equal(seen.keypoints_px, same.keypoints_px)
    assert first.mask.shape != other.mask.shape or not np.array_equal(first.mask, other.mask)


def seen_from_above(vertices, faces, chosen, elevation_rad=1.0):
    """Number of samples whose nearest face is chosen, over six views from above; camera coordinates (y down)."""
    centre, count = vertices.mean(axis=0), 0
    K = np.array([[3000.0, 0, 150], [0, 3000.0, 150], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, math.cos(elevation_rad), -math.sin(elevation_rad)],
                     [0, math.sin(elevation_rad), math.cos(elevation_rad)]])  # fmt: skip
    for turn in np.arange(6) * math.pi / 3:
        yaw = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
        local = (vertices - centre) @ (tilt @ yaw).T + (0, 0, 22.0)
        assert local[:, 2].min() > 18
        index = rasterize(local, faces, K, 300, 300).face_index
        count += (chosen[index] & (index >= 0)).sum()
    return count


@pytest.mark.parametrize("pose", ["standing", "walking", "sitting"])
@pytest.mark.parametrize(
    ("clothes", "kind"),
    [
        (Clothes(bottom="skirt", seed=1), "skirt"),
        (Clothes(bottom="dress", seed=2), "dress"),
        (Clothes(bottom="trousers", outerwear="coat", seed=3), "coat"),
    ],
)
def test_what_is_under_a_hanging_garment_does_not_poke_through_it(body, pose, clothes, kind, monkeypatch):
    monkeypatch.setattr(dressing, "HIDDEN_M", 10.0)  # otherwise hardly anything is left that could
    person = clothed_person(body, everyday_pose(pose), 0, clothes=clothes, image_size=SIZE)
    layers, kinds = person.dressed.layers, np.array(person.dressed.kinds)[person.dressed.layers.face_layers]
    heights = layers.vertices_rest[layers.faces, 1]
    tube = heights[layers.face_layers == max(i for i, one in enumerate(person.dressed.kinds) if one == kind)]
    legs = [SMPL_24.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee", "ankle")]
    covered = np.isin(kinds, ("skin", "trousers")) & np.isin(layers.face_parts, legs)
    covered &= (heights > tube.min() + 0.03).all(axis=1) & (heights < tube.max()).all(axis=1)
    vertices = layers.vertices_camera
    without = seen_from_above(vertices, layers.faces[kinds != kind], covered[kinds != kind])
    assert without > 1500
    assert seen_from_above(vertices, layers.faces, covered) < 0.02 * without


def test_a_skirt_covers_the_space_between_the_legs_of_a_standing_person(body):
    clothes = Clothes(bottom="skirt", seed=1)
    person = clothed_person(body, everyday_pose("a_pose"), 0, clothes=clothes, yaw_rad=0.0, image_size=SIZE)
    _, at_rest, _ = layer_of(person, "skirt")
    hip, knee = (person.joints_camera[[SMPL_24.index(f"{side}_{joint}") for side in ("left", "right")]]
                 for joint in ("hip", "knee"))  # fmt: skip
    hip_y, knee_y = (person.dressed.rest.joints[f"left_{joint}"][1] for joint in ("hip", "knee"))
    # halfway between the knees, or just above the hem of a shorter skirt
    share = min(1.0, (hip_y - at_rest[:, 1].min() - 0.04) / (hip_y - knee_y))
    between = (hip + share * (knee - hip)).mean(dim=0)
    x, y = person.camera.project(between[None, None])[0, 0].long().tolist()
    assert person.mask_unclothed[y, x] == 0
    assert person.label_map(ATR)[y, x] == ATR.labels.index("skirt")


OUTFITS = {
    "trousers": (Clothes(), {"hair", "upper-clothes", "pants", "left-shoe", "right-shoe", "face"}),
    "shorts": (Clothes(bottom="shorts"), {"pants", "left-leg", "right-leg"}),
    "skirt": (Clothes(bottom="skirt"), {"skirt", "upper-clothes", "left-leg"}),
    "dress": (Clothes(bottom="dress"), {"dress"}),
    "open coat": (Clothes(outerwear="coat", open=True), {"coat", "upper-clothes"}),
    "closed jacket": (Clothes(outerwear="jacket"), {"coat", "pants"}),
    "hats": (Clothes(hat="brimmed"), {"hat", "hair"}),
    "scarf": (Clothes(scarf=True), {"scarf"}),
    "heels": (Clothes(heel_m=0.08), {"left-shoe", "right-shoe"}),
    "long hair": (Clothes(hair="long"), {"hair"}),
    "bun": (Clothes(hair="bun"), {"hair"}),
}


@pytest.mark.parametrize("name", OUTFITS)
def test_the_label_map_of_an_outfit_has_its_labels(body, name):
    clothes, expected = OUTFITS[name]
    person = clothed_person(body, everyday_pose("standing"), 0, clothes=clothes, yaw_rad=0.3, image_size=SIZE)
    lip = {LIP.labels[label] for label in np.unique(person.label_map(LIP))}
    assert expected <= lip
    atr = {ATR.labels[label] for label in np.unique(person.label_map(ATR))}
    # ATR has no coats, and knows them as upper clothes
    assert {("upper-clothes" if label == "coat" else label) for label in expected} <= atr
    # the label map covers the mask with bags, to within the pixels at the outline
    covered = person.mask_with_bags > 0.5
    assert (covered ^ (person.label_map(ATR) > 0)).sum() < 0.05 * covered.sum()


def test_skin_and_shoes_have_the_side_of_the_body(body):
    clothes = Clothes(bottom="shorts")
    person = clothed_person(body, everyday_pose("standing"), 0, clothes=clothes, yaw_rad=0.0, image_size=SIZE)
    labels = person.label_map(LIP)
    columns = np.arange(labels.shape[1])
    for label in ("leg", "shoe", "arm"):
        # Facing the camera, the person's left is on the image's right.
        left, right = (
            (columns * (labels == LIP.labels.index(f"{side}-{label}"))).sum()
            / (labels == LIP.labels.index(f"{side}-{label}")).sum()
            for side in ("left", "right")
        )
        assert left > right + 3


@pytest.mark.parametrize("bag", ["shoulder", "across", "hand", "backpack"])
def test_bags_are_in_the_one_mask_and_not_in_the_other(body, bag):
    clothes = Clothes(bag=bag, seed=4)
    yaw = math.pi if bag == "backpack" else 0.0
    person = clothed_person(body, everyday_pose("standing"), 0, clothes=clothes, yaw_rad=yaw, image_size=SIZE)
    is_bag = person.label_map(ATR) == ATR.labels.index("bag")
    assert is_bag.sum() > 50
    assert person.mask_with_bags[is_bag].mean() > 0.95
    assert person.mask[is_bag].mean() < 0.1
    assert (person.mask <= person.mask_with_bags).all()
    assert not (person.label_map(LIP)[is_bag] > 0).any()


def test_a_label_space_without_clothing_is_refused(body):
    person = clothed_person(body, everyday_pose("standing"), 0, image_size=SIZE)
    with pytest.raises(ValueError, match="atr or lip"):
        person.label_map(SMPL_24_PARTS)


def test_a_photograph_shows_the_clothes_in_the_place_of_the_mask(body):
    clothes = Clothes(bottom="skirt", outerwear="coat", open=True, hair="long", seed=1)
    person = clothed_person(body, everyday_pose("standing"), 0, clothes=clothes, yaw_rad=0.0, image_size=SIZE)
    image = photograph(person, "room", 0)
    assert image.shape == (3, *SIZE) and image.min() >= 0 and image.max() <= 1
    assert torch.equal(image, photograph(person, "room", 0))
    labels = person.label_map(LIP)
    means = {name: image[:, torch.from_numpy(labels == LIP.labels.index(name))].mean(1) for name in ("coat", "skirt")}
    assert (means["coat"] - means["skirt"]).abs().max() > 0.05


def test_heels_raise_the_heel_over_the_ball_of_the_foot(body):
    flat, raised = (
        clothed_person(body, everyday_pose("standing"), 0, clothes=Clothes(heel_m=heel), image_size=SIZE)
        for heel in (0.0, 0.08)
    )
    heights = []
    for person in (flat, raised):
        landmarks = dict(zip(body.landmark_names, body.landmark_regressor @ person.body_vertices, strict=True))
        heights.append(float(landmarks["left_big_toe"][1] - landmarks["left_heel"][1]))
    # +y is down in the camera; the camera's pitch moves both alike
    assert heights[1] - heights[0] == pytest.approx(0.08, abs=0.04)
    pose = everyday_pose("standing")
    assert torch.allclose(pose_with_heels(pose, 0.0), pose, atol=1e-5)
    assert heel_tilt(0.075) == pytest.approx(math.radians(30))


def test_clothes_have_the_frequencies_of_the_table():
    rng, count = np.random.default_rng(0), 4000
    f = WardrobeFrequencies()
    worn = [sample_clothes(rng) for _ in range(count)]
    shares = {
        f.trousers: [one.bottom == "trousers" for one in worn],
        f.skirts + 1e-9: [one.bottom == "skirt" for one in worn],
        f.dresses: [one.bottom == "dress" for one in worn],
        f.jackets + f.coats: [one.outerwear != "none" for one in worn],
        (f.jackets + f.coats) * f.open: [one.open for one in worn],
        f.bobs + f.loose_hair + f.ponytails + f.buns: [one.hair != "short" for one in worn],
        f.shoulder_bags + f.cross_bags + f.hand_bags + f.backpacks: [one.bag != "none" for one in worn],
        f.beanies + f.caps + f.brimmed: [one.hat != "none" for one in worn],
        f.scarves + 1e-9: [one.scarf for one in worn],
        f.heels + 1e-9: [one.heel_m > 0 for one in worn],
    }
    for share, flags in shares.items():
        assert abs(np.mean(flags) - share) < 4 * math.sqrt(share * (1 - share) / count)


def test_strands_keep_their_length_and_lie_on_what_is_underneath():
    # a horizontal board one metre below the roots
    x, z = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81))
    board = np.stack([x.ravel(), np.zeros(x.size), z.ravel()], axis=1)
    under = Collider(board, np.tile([0.0, 1.0, 0.0], (len(board), 1)))
    roots = np.array([[0.0, 0.2, 0.0], [0.1, 0.2, 0.0]])
    strands = hang(roots, np.array([0.15, 0.5]), 20, under, clearance_m=0.01)
    length = np.linalg.norm(np.diff(strands, axis=0), axis=2).sum(axis=0)
    np.testing.assert_allclose(length, [0.15, 0.5], rtol=0.02)
    np.testing.assert_allclose(strands[-1, 0], [0.0, 0.05, 0.0], atol=1e-6)
    assert strands[:, 1, 1].min() > -0.02


def test_the_radius_of_a_hull_is_that_of_its_outline():
    square = np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1], [0.3, 0.2]])
    radius = hull_radius(square, np.radians([0, 45, 90]))
    np.testing.assert_allclose(radius, [1, math.sqrt(2), 1])


def test_boundaries_are_displaced_by_the_given_deviation():
    mask = np.zeros((200, 200))
    mask[:, 100:] = 1.0
    rng = np.random.default_rng(0)
    edges = np.concatenate([200 - displaced(mask, 3.0, rng).sum(axis=1) for _ in range(20)])
    assert edges.mean() == pytest.approx(100, abs=1)
    # 20 images of about 200 / (2π · 15) independent places each: the deviation is known to within a tenth
    assert edges.std() == pytest.approx(3.0, rel=0.3)
    labels = displaced((mask * 7).astype(np.int64), 3.0, rng)
    assert set(np.unique(labels)) == {0, 7}
