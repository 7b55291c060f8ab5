"""Depth flips: nearly the same picture, the other side in depth, elbows and knees that bend their own way."""

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import camera_from_focal
from render_fit.fitting.depth_flips import LEGS, LIMBS, limb_flips, straight_legs
from render_fit.fitting.variables import Variables
from render_fit.synthesis import everyday_pose
from render_fit.synthesis.placement import pose_in_view, view_rotation

CAMERA = camera_from_focal(600.0, 256, 256)


def parameters_of(pose: str, yaw: float) -> BodyParameters:
    return pose_in_view(open_body(), everyday_pose(pose), torch.zeros(10), CAMERA, view_rotation(yaw, 0.1))


@pytest.fixture(scope="module", params=["striding", "throwing", "one_leg_up"])
def flipped(request):
    body = open_body()
    start = Variables.from_parameters(body, parameters_of(request.param, 0.5))
    many = limb_flips(body, start)
    return body, start, many, body(many.parameters(body))


def joint(body, output, name):
    return output.joints[:, body.joint_names.index(name)]


def choice(limb: int) -> torch.Tensor:
    """Which of the four flips of a limb (none, upper, lower, both) each of the 256 proposals holds."""
    return torch.arange(256) // 4 ** (3 - limb) % 4


def test_all_combinations_and_the_first_is_unchanged(flipped):
    _, start, many, _ = flipped
    assert len(many) == 256
    torch.testing.assert_close(many.pose[0], start.pose[0])
    torch.testing.assert_close(many.position, start.position.expand(256, 3))


def test_the_picture_stays_about_the_same(flipped):
    """Mirrored along the viewing ray, so exact for a far camera; perspective moves ends a little."""
    body, _, _, output = flipped
    pixels = CAMERA.expand(256).project(output.joints)
    height = (pixels[0, :, 1].amax() - pixels[0, :, 1].amin()).item()
    for _, middle, end, _ in LIMBS:
        for name in (middle, end):
            index = body.joint_names.index(name)
            moved = (pixels[:, index] - pixels[0, index]).norm(dim=-1)
            assert moved.max().item() < 0.08 * height, name
            assert moved.median().item() < 0.03 * height, name


def test_depth_is_mirrored(flipped):
    body, _, _, output = flipped
    for limb, (upper, middle, _, _) in enumerate(LIMBS):
        shoulder = joint(body, output, upper)
        ray = torch.nn.functional.normalize(shoulder, dim=-1)
        along = ((joint(body, output, middle) - shoulder) * ray).sum(dim=-1)
        is_flipped = torch.isin(choice(limb), torch.tensor([1, 3]))  # the upper bone, or both
        torch.testing.assert_close(along[is_flipped], -along[:1].expand(int(is_flipped.sum())), atol=1e-4, rtol=0)
        torch.testing.assert_close(along[~is_flipped], along[:1].expand(int((~is_flipped).sum())), atol=1e-4, rtol=0)


def test_bones_keep_their_length(flipped):
    body, _, _, output = flipped
    for upper, middle, end, _ in LIMBS:
        for a, b in ((upper, middle), (middle, end)):
            length = (joint(body, output, a) - joint(body, output, b)).norm(dim=-1)
            torch.testing.assert_close(length, length[:1].expand(256), atol=1e-5, rtol=0)


def test_elbows_and_knees_bend_about_their_own_axis(flipped):
    """A bend of more than 0.4 rad turns the positive way about the hinge, whichever way bones were flipped."""
    body, _, many, _ = flipped
    for limb, (_, middle, _, axis) in enumerate(LIMBS):
        rotvec = many.pose[:, body.joint_names.index(middle) - 1]
        changed = choice(limb) > 0
        angle, along = rotvec.norm(dim=-1), rotvec @ torch.tensor(axis)
        bent = changed & (angle > 0.4)
        assert (along[bent] > 0.8 * angle[bent]).all(), middle


def test_straight_limbs_stay_straight():
    body = open_body()
    start = Variables.from_parameters(body, parameters_of("arms_forward", 0.3))
    many = limb_flips(body, start)
    assert many.pose.isfinite().all()
    output = body(many.parameters(body))
    assert output.joints.isfinite().all()


def bent_knees(degrees: float) -> Variables:
    """A standing person with both knees bent by this much more than in the rest pose, thighs and shins turned alike."""
    body, pose = open_body(), everyday_pose("standing").clone()
    for side in ("left", "right"):
        for name, share in (("hip", -0.5), ("knee", 1.0)):
            pose[body.joint_names.index(f"{side}_{name}")] = torch.tensor([share * degrees * torch.pi / 180, 0.0, 0.0])
    return Variables.from_parameters(body, pose_in_view(body, pose, torch.zeros(10), CAMERA, view_rotation(0.3, 0.1)))


def flexions(variables: Variables) -> list[float]:
    output, body = open_body()(variables.parameters(open_body())), open_body()
    angles = []
    for upper, middle, end, _ in LEGS:
        thigh = joint(body, output, middle) - joint(body, output, upper)
        shin = joint(body, output, end) - joint(body, output, middle)
        angles.append(float(torch.rad2deg(torch.acos(torch.cosine_similarity(thigh, shin)))))
    return angles


def test_slightly_bent_legs_are_straightened_between_hip_and_ankle():
    body, start = open_body(), bent_knees(35.0)
    straight = straight_legs(body, start)
    assert straight is not None and len(straight) == 1
    assert min(flexions(start)) > 25 and max(flexions(straight)) < 3
    before, after = (body(one.parameters(body)) for one in (start, straight))
    for upper, _, end, _ in LEGS:
        was, now = (joint(body, output, end) - joint(body, output, upper) for output in (before, after))
        assert float(torch.cosine_similarity(was, now)) > 0.999
    unchanged = [i for i, name in enumerate(body.joint_names[1:]) if "hip" not in name and "knee" not in name]
    torch.testing.assert_close(straight.pose[:, unchanged], start.pose[:, unchanged])


@pytest.mark.parametrize("degrees", [-4.0, 95.0], ids=["straight", "crouching"])
def test_straight_and_strongly_bent_legs_are_left_alone(degrees):
    assert straight_legs(open_body(), bent_knees(degrees)) is None
