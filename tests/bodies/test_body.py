"""M against smplx, its own keypoints, finite differences and its conventions."""

import math

import pytest
import smplx
import torch

from render_fit.bodies import Body, BodyParameters, open_body, smpl_arrays
from render_fit.bodies.landmarks import MARKER_JOINTS
from render_fit.core.skeletons import BODY_25, COCO_17, MEDIAPIPE_33, SKELETONS, SMPL_24, Skeleton


def random_parameters(body: Body, n: int, with_offsets: bool = False) -> BodyParameters:
    like = body.v_template
    pose = 0.5 * torch.randn(n, len(body.parents), 3, dtype=like.dtype)
    betas = torch.randn(n, body.n_betas, dtype=like.dtype)
    offsets = 0.02 * torch.randn(n, body.n_vertices, 3, dtype=like.dtype) if with_offsets else None
    return BodyParameters.from_rotvec(pose, betas, torch.randn(n, 3, dtype=like.dtype), offsets)


def smplx_layer(arrays: dict) -> smplx.SMPL:
    return smplx.SMPL("", data_struct=smplx.utils.Struct(**arrays), num_betas=10, batch_size=1)


@pytest.mark.parametrize("correctives", [False, True])
def test_smplx_given_the_same_arrays_gives_the_same_bodies(body: Body, correctives: bool) -> None:
    arrays = smpl_arrays(body)
    if correctives:
        arrays["posedirs"] = 1e-3 * torch.randn(body.n_vertices, 3, 207).numpy()
        tensors = {k: torch.from_numpy(arrays[k]) for k in ("v_template", "shapedirs", "posedirs", "J_regressor")}
        body = Body(
            name="with correctives",
            joint_names=SMPL_24.joints,
            parents=body.parents,
            weights=body.weights,
            faces=body.faces,
            **tensors,
        )
    parameters = random_parameters(body, 2)
    ours = body(parameters)
    theirs = smplx_layer(arrays)(
        global_orient=parameters.pose[:, 0],
        body_pose=parameters.pose[:, 1:].flatten(1),
        betas=parameters.betas,
        transl=parameters.transl,
    )
    # 1e-5 m: the bound; float32 leaves about 1e-6.
    torch.testing.assert_close(ours.vertices, theirs.vertices, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.joints, theirs.joints[:, :24], atol=1e-5, rtol=0)


def test_offsets_are_added_before_posing_and_leave_the_joints(body: Body) -> None:
    parameters = random_parameters(body, 1, with_offsets=True)
    arrays = smpl_arrays(body)
    assert parameters.offsets is not None
    arrays["v_template"] = arrays["v_template"] + parameters.offsets[0].numpy()
    # smplx regresses joints from the displaced template; SMPL+D keeps the body's own, so compare about equal joints.
    layer = smplx_layer(arrays)
    kept = torch.from_numpy(smpl_arrays(body)["J_regressor"])
    pull = kept @ parameters.offsets[0]
    theirs, _ = smplx.lbs.lbs(
        parameters.betas,
        parameters.pose.flatten(1),
        layer.v_template[None],
        layer.shapedirs,
        layer.posedirs,
        kept,
        layer.parents,
        layer.lbs_weights,
    )
    moved = body(parameters)
    plain = body(BodyParameters(parameters.rotations, parameters.betas, parameters.transl))
    torch.testing.assert_close(moved.joints, plain.joints, atol=0, rtol=0)
    # LBS about joints shifted by `pull` differs by sum_k w_k (I - R_k) pull_k-like terms: bounded by twice the pull.
    difference = (moved.vertices - parameters.transl[:, None] - theirs).norm(dim=-1).max()
    assert difference < 12 * pull.norm(dim=-1).max()
    # At zero pose there is no such term: exactly template + offsets.
    upright = body.zero_parameters()
    upright = BodyParameters(upright.rotations, upright.betas, upright.transl, parameters.offsets)
    torch.testing.assert_close(body(upright).vertices, body.v_template + parameters.offsets, atol=1e-6, rtol=0)


def test_offsets_turn_with_the_body_part(body: Body) -> None:
    pose = torch.zeros(1, 24, 3)
    pose[0, SMPL_24.index("left_elbow"), 1] = -math.pi / 2  # the forearm points forward
    offsets = torch.zeros(1, body.n_vertices, 3)
    offsets[..., 1] = 0.01
    offsets[..., 0] = 0.02  # along the forearm, away from the body
    zeros = torch.zeros(1, body.n_betas), torch.zeros(1, 3)
    plain = body(BodyParameters.from_rotvec(pose, *zeros)).vertices
    moved = body(BodyParameters.from_rotvec(pose, *zeros, offsets)).vertices
    whole = body.weights[:, SMPL_24.index("left_elbow")] > 0.9999
    assert whole.sum() > 50
    # x turns to z: the rotation about -y by 90 degrees.
    expected = torch.tensor([0.0, 0.01, 0.02]).expand(int(whole.sum()), 3)
    torch.testing.assert_close((moved - plain)[0, whole], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
@pytest.mark.parametrize("with_offsets", [False, True])
def test_keypoints_are_those_of_the_posed_mesh(body: Body, skeleton: Skeleton, with_offsets: bool) -> None:
    parameters = random_parameters(body, 3, with_offsets)
    output = body(parameters)

    def point(name: str) -> torch.Tensor:
        if name in body.joint_names:
            return output.joints[:, body.joint_names.index(name)]
        row = body.landmark_regressor[body.landmark_names.index(name)]
        return torch.einsum("v,bvc->bc", row, output.vertices)

    for k, landmark in enumerate(skeleton.landmarks):
        between = MARKER_JOINTS.get(landmark, {landmark: 1.0})
        expected = sum(weight * point(name) for name, weight in between.items())
        torch.testing.assert_close(body.keypoints(parameters, skeleton)[:, k], expected, atol=2e-6, rtol=0)
        torch.testing.assert_close(body.keypoints_of(output, skeleton)[:, k], expected, atol=2e-6, rtol=0)


def test_gradients_against_finite_differences(tiny: Body) -> None:
    def run(pose: torch.Tensor, betas: torch.Tensor, transl: torch.Tensor, offsets: torch.Tensor) -> tuple:
        parameters = BodyParameters.from_rotvec(pose, betas, transl, offsets)
        skeleton = Skeleton("t", ("nose", "b"), ("nose", "b"), (), frozenset(), "")
        output = tiny(parameters)
        return output.vertices, output.joints, output.joint_rotations, tiny.keypoints(parameters, skeleton)

    inputs = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((2, 4, 3), (2, 2), (2, 3), (2, 12, 3))]
    assert torch.autograd.gradcheck(run, inputs)
    with torch.no_grad():
        inputs[0].zero_()  # the axis-angle map's removable singularity
    assert torch.autograd.gradcheck(run, inputs)


def test_conventions_at_rest(body: Body) -> None:
    """y up, z forward, x to the person's left; left is the person's."""
    skeleton = MEDIAPIPE_33
    at = dict(zip(skeleton.joints, body.keypoints(body.zero_parameters(), skeleton)[0], strict=True))
    assert at["left_wrist"][0] > 0.5 and at["right_wrist"][0] < -0.5
    assert at["nose"][1] > 0.3 and at["left_heel"][1] < -1.0
    assert at["nose"][2] > at["left_ear"][2] + 0.05
    assert at["left_foot_index"][2] > at["left_heel"][2] + 0.1
    assert at["left_eye_outer"][0] > at["left_eye"][0] > at["left_eye_inner"][0] > 0 > at["right_eye"][0]
    assert at["mouth_left"][0] > 0.01
    # palms down, thumbs forward
    assert at["left_thumb"][2] > at["left_pinky"][2] and at["left_index"][2] > at["left_pinky"][2]
    feet = dict(zip(BODY_25.joints, body.keypoints(body.zero_parameters(), BODY_25)[0], strict=True))
    assert feet["left_small_toe"][0] > feet["left_big_toe"][0] > 0


def test_an_upright_person_facing_an_opencv_camera_is_turned_by_pi_about_x(body: Body) -> None:
    pose = torch.zeros(1, 24, 3)
    pose[0, 0, 0] = math.pi
    parameters = BodyParameters.from_rotvec(pose, torch.zeros(1, 10), torch.tensor([[0.0, 0.0, 3.0]]))
    at = dict(zip(COCO_17.joints, body.keypoints(parameters, COCO_17)[0], strict=True))
    assert at["nose"][1] < at["left_ankle"][1]  # y down in the image
    assert at["nose"][2] < at["left_ear"][2]  # the face is nearer than the ears
    assert at["left_hip"][0] > at["right_hip"][0]  # the person's left is on the picture's right


def test_flexing_an_elbow_or_knee_moves_hand_and_foot_as_in_smpl(body: Body) -> None:
    def at(joint: str, rotvec: tuple[float, float, float]) -> dict[str, torch.Tensor]:
        pose = torch.zeros(1, 24, 3)
        pose[0, SMPL_24.index(joint)] = torch.tensor(rotvec)
        output = body(BodyParameters.from_rotvec(pose, torch.zeros(1, 10), torch.zeros(1, 3)))
        return dict(zip(SMPL_24.joints, output.joints[0], strict=True))

    rest = at("pelvis", (0, 0, 0))
    # SMPL: a left elbow flexes about -y (the hand comes forward), a knee about +x (the heel goes back).
    assert at("left_elbow", (0, -1.5, 0))["left_wrist"][2] - rest["left_wrist"][2] > 0.2
    assert at("right_elbow", (0, 1.5, 0))["right_wrist"][2] - rest["right_wrist"][2] > 0.2
    assert at("left_knee", (1.5, 0, 0))["left_ankle"][2] - rest["left_ankle"][2] < -0.3
    assert at("left_shoulder", (0, 0, -1.2))["left_wrist"][1] - rest["left_wrist"][1] < -0.4


def test_fewer_betas_than_the_body_has_are_padded_with_zeros(body: Body) -> None:
    full = random_parameters(body, 2)
    betas = full.betas.clone()
    betas[:, 4:] = 0
    same = body(BodyParameters(full.rotations, betas, full.transl)).vertices
    fewer = body(BodyParameters(full.rotations, betas[:, :4], full.transl)).vertices
    torch.testing.assert_close(fewer, same, atol=1e-6, rtol=0)


def test_parameters_are_indexed_by_person(body: Body) -> None:
    parameters = random_parameters(body, 3, with_offsets=True)
    torch.testing.assert_close(body(parameters[1]).vertices[0], body(parameters).vertices[1], atol=1e-6, rtol=0)
    assert len(parameters[-1]) == 1 and len(parameters[[0, 2]]) == 2
    assert torch.equal(parameters[-1].betas[0], parameters.betas[2])


def test_moving_the_body_to_float64_clears_its_caches() -> None:
    body = open_body()
    parameters = body.zero_parameters()
    single = body.keypoints(parameters, COCO_17)
    body = body.double()
    double = body.keypoints(body.zero_parameters(), COCO_17)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single, atol=1e-6, rtol=0)


def test_unsupported_keypoints_are_reported_and_finite(tiny: Body) -> None:
    skeleton = Skeleton("t", ("nose", "chin", "b"), ("nose", "chin", "b"), (), frozenset(), "")
    assert tiny.supports(skeleton).tolist() == [True, False, True]
    assert tiny.keypoints(tiny.zero_parameters(2), skeleton).isfinite().all()
