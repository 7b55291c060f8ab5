"""Observations as regressors see them."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.core.parts import PART_SPACES, part_evidence
from render_fit.core.skeletons import CANONICAL_KEYPOINTS, COCO_17, H36M_17, MEDIAPIPE_33, canonical_columns
from render_fit.regressors.inputs import RegressorInputs, inputs_from_observation
from render_fit.synthesis import everyday_pose, synthetic_scene


def test_skeletons_fill_the_points_they_have() -> None:
    assert len(canonical_columns(COCO_17)[0]) == 17
    theirs, ours = canonical_columns(MEDIAPIPE_33)
    named = {CANONICAL_KEYPOINTS[j]: MEDIAPIPE_33.joints[i] for i, j in zip(theirs, ours, strict=True)}
    assert named["left_big_toe"] == "left_foot_index"
    assert {CANONICAL_KEYPOINTS[j] for j in canonical_columns(H36M_17)[1]} >= {"pelvis", "neck", "head_top", "spine"}


def test_a_label_is_evidence_of_its_parts() -> None:
    smpl = part_evidence(PART_SPACES["smpl24"])
    assert smpl.shape == (25, 24)
    assert int(smpl[PART_SPACES["smpl24"].labels.index("left_knee")].argmax()) == 4
    assert float(smpl[0].sum()) < 0.1
    # NBF's left upper leg is SMPL's left hip; its trousers' other parts get next to nothing.
    nbf = part_evidence(PART_SPACES["nbf12"])
    thigh = nbf[PART_SPACES["nbf12"].labels.index("left upper leg")]
    assert int(thigh.argmax()) == 1


def test_a_synthetic_person_fills_the_crop_and_keypoints_lie_on_the_silhouette() -> None:
    scene = synthetic_scene(open_body(), everyday_pose("standing"), 3, jitter=0.0)
    inputs, view = inputs_from_observation(scene.observation(), scene.camera, 64)
    person = inputs.silhouette[0] > 0
    rows = person.any(1).nonzero()[:, 0]
    assert 0.78 < (rows.max() - rows.min() + 1) / 64 < 0.88  # a margin of 1.2 leaves 0.83
    shown = inputs.confidence[0] > 0
    pixel = ((inputs.keypoints[0, shown] + 1) * 32).floor().long()
    assert person[pixel[:, 1], pixel[:, 0]].float().mean() > 0.9
    joints = view.camera.project(scene.joints_camera[None] @ view.rotation.mT)[0]
    knee = CANONICAL_KEYPOINTS.index("left_knee")
    assert shown[knee]
    assert float((joints[4] - (inputs.keypoints[0, knee] + 1) * 32).norm()) < 3.0
    # The part map agrees with where the joints are: the left shin's evidence is around the left ankle.
    assert float(inputs.parts[0].sum(0)[person].mean()) > 0.8


def test_labels_of_clothes_are_no_input() -> None:
    scene = synthetic_scene(open_body(), everyday_pose("standing"), 3)
    observation = scene.observation()
    assert observation.labels is not None
    clothed = replace(observation, labels=(observation.labels > 0).long(), part_space=PART_SPACES["atr"])
    assert not inputs_from_observation(clothed, scene.camera, 64)[0].parts.any()
    assert inputs_from_observation(observation, scene.camera, 64)[0].parts.any()


def test_inputs_that_were_not_observed_are_zero() -> None:
    scene = synthetic_scene(open_body(), everyday_pose("standing"), 3)
    bare, _ = inputs_from_observation(scene.observation(mask=False, parts=False), scene.camera, 64)
    assert not bare.silhouette.any()
    assert not bare.parts.any()
    assert bare.confidence.any()
    masked, _ = inputs_from_observation(scene.observation(keypoints=False), scene.camera, 64)
    assert not masked.confidence.any()
    assert not masked.keypoints.any()


def test_depths_are_along_the_axis_of_the_crop_and_relative_to_their_mean() -> None:
    scene = synthetic_scene(open_body(), everyday_pose("walking"), 3, jitter=0.0)
    seen = scene.observation()
    assert seen.skeleton is not None
    points = open_body().keypoints(scene.parameters, seen.skeleton)[0]
    sure = torch.full((len(seen.skeleton),), 0.7)
    sure[seen.skeleton.index("left_wrist")] = 0.0
    points[seen.skeleton.index("right_wrist"), 0] = torch.nan
    hips = points[[seen.skeleton.index("left_hip"), seen.skeleton.index("right_hip")]].mean(0)
    inputs, view = inputs_from_observation(
        replace(seen, keypoints_3d=points - hips, confidence_3d=sure), scene.camera, 64
    )
    wrists = [CANONICAL_KEYPOINTS.index("left_wrist"), CANONICAL_KEYPOINTS.index("right_wrist")]
    assert not inputs.depths[0, wrists].any()
    assert not inputs.depth_confidence[0, wrists].any()
    told = inputs.depth_confidence[0] > 0
    assert told.sum() == 15
    theirs, ours = canonical_columns(seen.skeleton)
    along = torch.zeros(len(CANONICAL_KEYPOINTS))
    along[ours] = (points.nan_to_num(0.0)[theirs] @ view.rotation[0].mT)[:, 2]
    expected = along[told] - along[told].mean()
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(inputs.depths[0, told], expected, atol=1e-5, rtol=0)
    without, _ = inputs_from_observation(seen, scene.camera, 64)
    assert not without.depths.any()
    assert not without.depth_confidence.any()


def test_pixels_are_aligned_with_the_person_and_optional() -> None:
    scene = synthetic_scene(open_body(), everyday_pose("standing"), 3)
    seen = scene.observation()
    assert seen.mask is not None
    # The person is red before blue; the box is moved so that the view reaches past the photo's left edge.
    colours = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])[..., None, None]
    seen = replace(seen, image=torch.where(seen.mask >= 0.5, colours[0], colours[1]))
    inputs, _ = inputs_from_observation(seen, scene.camera, 64, photo=True)
    assert inputs.photo is not None
    red, green, blue = inputs.photo[0]
    inner, outer = inputs.silhouette[0] > 0.99, inputs.silhouette[0] < -0.99
    assert (red[inner] > 0.9).all() and (blue[inner] < -0.9).all() and (green[inner] < -0.9).all()
    assert (red[outer] < -0.9).all() and (blue[outer] > 0.9).all()
    _, top, width, height = seen.box
    beside, _ = inputs_from_observation(
        replace(seen, box=(-width / 2, top, width, height)), scene.camera, 64, photo=True
    )
    assert beside.photo is not None
    black = (beside.photo[0] == 0).all(0)
    assert 0.2 < black.float().mean() < 0.8
    # What is beyond the photo is not known of the silhouette either.
    assert (black == (beside.silhouette[0] == 0)).float().mean() > 0.99
    assert inputs_from_observation(seen, scene.camera, 64)[0].photo is None
    with pytest.raises(InputError, match="has none"):
        inputs_from_observation(replace(seen, image=None), scene.camera, 64, photo=True)


def test_batches_with_and_without_photos_cannot_be_joined() -> None:
    scene = synthetic_scene(open_body(), everyday_pose("standing"), 3)
    seen = replace(scene.observation(), image=torch.rand(3, *scene.observation().image_size))
    bare, full = (inputs_from_observation(seen, scene.camera, 32, photo=photo)[0] for photo in (False, True))
    both = RegressorInputs.joined([full, full]).photo
    assert both is not None and both.shape == (2, 3, 32, 32)
    assert RegressorInputs.joined([bare, bare])[torch.tensor([1])].photo is None
    with pytest.raises(ValueError, match="only some of the batches carry photo"):
        RegressorInputs.joined([full, bare])
