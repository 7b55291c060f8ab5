"""Single synthetic scenes: masks, labels and keypoints agree with the ground truth."""

import math

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core import metrics
from render_fit.core.cameras import camera_from_focal
from render_fit.core.skeletons import COCO_17, SMPL_24
from render_fit.evaluation.failure_modes import torso_frame
from render_fit.synthesis import EVERYDAY_POSES, clothed_scene, everyday_pose, synthetic_scene, view_rotation
from render_fit.synthesis.noise_fields import fractal_noise
from render_fit.synthesis.placement import translation_in_view


@pytest.fixture(scope="module")
def body():
    return open_body()


@pytest.fixture(scope="module")
def waving(body):
    return synthetic_scene(body, everyday_pose("waving"), seed=3, yaw_rad=0.0)


def torso_of(scene):
    names = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    return [scene.joints_camera[None, SMPL_24.index(name)] for name in names]


def test_a_scene_is_the_same_every_time_and_another_seed_is_another_scene(body, waving):
    again = synthetic_scene(body, everyday_pose("waving"), seed=3, yaw_rad=0.0)
    assert torch.equal(again.mask, waving.mask)
    assert torch.equal(again.keypoints_px, waving.keypoints_px)
    other = synthetic_scene(body, everyday_pose("waving"), seed=4, yaw_rad=0.0)
    assert not torch.equal(other.keypoints_px, waving.keypoints_px)


def test_yaw_zero_faces_the_camera_and_positive_yaw_turns_to_the_images_right(body, waving):
    _, facing = torso_frame(*torso_of(waving))
    assert facing[0, 2] < -0.9
    turned = synthetic_scene(body, everyday_pose("standing"), seed=3, yaw_rad=math.pi / 2)
    _, facing = torso_frame(*torso_of(turned))
    assert facing[0, 0] > 0.9
    # A camera that looks down on a person has the head nearer than the feet: +y of the body comes towards it.
    assert view_rotation(0.0, 0.2)[2, 1] < 0


def test_the_person_fills_the_image_and_the_mask_contains_the_keypoints(waving):
    height, _width = waving.mask.shape
    rows = torch.nonzero((waving.mask > 0.5).any(dim=1)).flatten()
    assert 0.66 < (rows[-1] - rows[0] + 1) / height < 0.76
    points = waving.keypoints_px[waving.confidence > 0].long()
    assert waving.mask[points[:, 1], points[:, 0]].mean() > 0.9


def test_the_right_arm_waves(waving):
    wrist, shoulder = (waving.joints_camera[SMPL_24.index(f"right_{joint}")] for joint in ("wrist", "shoulder"))
    assert wrist[1] < shoulder[1] - 0.1
    # Facing the camera, the person's right is on the image's left.
    assert wrist[0] < waving.joints_camera[SMPL_24.index("pelvis"), 0]


def test_labels_agree_with_mask_and_with_the_joints(waving):
    covered = metrics.iou((waving.labels > 0)[None], (waving.mask > 0.5)[None])
    # Two grids of different pitch disagree by up to a pixel along the outline.
    assert covered.item() > 0.93
    knee = waving.camera.project(waving.joints_camera[None])[0, SMPL_24.index("left_knee")].long()
    label = waving.labels[knee[1], knee[0]].item() - 1
    assert SMPL_24.joints[label] in ("left_hip", "left_knee")


def test_keypoint_noise_has_the_given_standard_deviation(body):
    scenes = [synthetic_scene(body, everyday_pose("a_pose"), seed=seed, jitter=0.01) for seed in range(4)]
    errors = []
    for scene in scenes:
        exact = scene.camera.project(body.keypoints(scene.parameters, COCO_17))[0]
        seen = scene.confidence == 1
        points = scene.camera.project(scene.vertices_camera[None])[0]
        side = (points.amax(dim=0) - points.amin(dim=0)).amax()
        errors.append((scene.keypoints_px - exact)[seen] / side)
    # 1 % per axis; about 100 samples give the estimate to within 7 % (one standard deviation).
    assert torch.cat(errors).std().item() == pytest.approx(0.01, rel=0.25)


def test_an_observation_has_everything_but_what_is_left_out(waving):
    full, bare = waving.observation(), waving.observation(parts=False, mask=False, camera=False)
    assert full.camera is waving.camera and full.labels is not None and full.mask is not None
    assert bare.camera is None and bare.labels is None and bare.mask is None and bare.keypoints_px is not None
    left, top, width, height = full.box
    assert left >= 0 and top >= 0 and left + width <= 256 and top + height <= 256


def test_translation_in_view_places_a_box_at_the_given_size_and_centre():
    # A 1 × 2 × 0.2 m box of points before a long lens.
    corners = torch.cartesian_prod(torch.tensor([-0.5, 0.5]), torch.tensor([-1.0, 1.0]), torch.tensor([-0.1, 0.1]))
    camera = camera_from_focal(500.0, 300, 200)
    points = camera.project((corners + translation_in_view(corners, camera, 0.5, (0.4, 0.6)))[None])[0]
    low, high = points.amin(dim=0), points.amax(dim=0)
    assert torch.allclose((low + high) / 2, torch.tensor([80.0, 180.0]), atol=0.5)
    assert ((high - low) / torch.tensor([200.0, 300.0])).amax().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("name", EVERYDAY_POSES)
def test_everyday_poses_name_real_joints_and_bend_knees_backwards(name: str):
    pose = everyday_pose(name)
    assert pose.shape == (24, 3) and pose.norm(dim=-1).max() < math.radians(130)
    knees = pose[[SMPL_24.index("left_knee"), SMPL_24.index("right_knee")], 0]
    assert (knees >= 0).all()


def test_noise_is_smooth_and_bounded():
    x = np.stack(np.meshgrid(np.linspace(0, 5, 501), np.linspace(0, 1, 11)), axis=-1)
    values = fractal_noise(x, size_m=1.0, octaves=1, seed=0)
    assert values.min() >= 0 and values.max() <= 1 and values.std() > 0.1
    # Smoothstep between lattice values in [0, 1] has a slope of at most 1.5 per lattice step, so 0.015 per 0.01.
    assert np.abs(np.diff(values, axis=1)).max() < 0.0151


def test_a_clothed_scene_has_an_image_and_a_wider_mask(body):
    scene = clothed_scene(body, everyday_pose("standing"), seed=1, image_size=(200, 150), place="room")
    assert scene.image is not None and scene.image.shape == (3, 200, 150)
    assert scene.image.min() >= 0 and scene.image.max() <= 1
    bare = (scene.labels > 0).float()
    clothed = scene.mask > 0.5
    # Clothes cover nearly all of the body and add to it.
    assert (bare * clothed).sum() / bare.sum() > 0.95
    assert 1.02 < clothed.sum() / bare.sum() < 1.5
