"""Failure-mode rules on bodies whose result is known by hand."""

import torch

from render_fit.evaluation import failure_modes

# Camera frame: x right, y down, z forward. A person who faces the camera has the left side at +x.
FACING_CAMERA = torch.tensor([[[0.2, -0.5, 3.0], [-0.2, -0.5, 3.0], [0.1, 0.0, 3.0], [-0.1, 0.0, 3.0]]])
FACING_AWAY = FACING_CAMERA * torch.tensor([-1.0, 1.0, 1.0])
UPSIDE_DOWN = FACING_CAMERA * torch.tensor([-1.0, -1.0, 1.0])


def test_torso_frame_of_a_person_who_faces_the_camera():
    up, facing = failure_modes.torso_frame(*FACING_CAMERA.unbind(1))
    torch.testing.assert_close(up, torch.tensor([[0.0, -1.0, 0.0]]))
    torch.testing.assert_close(facing, torch.tensor([[0.0, 0.0, -1.0]]))


def test_facing_flipped():
    assert failure_modes.facing_flipped(FACING_AWAY, FACING_CAMERA).tolist() == [True]
    assert failure_modes.facing_flipped(FACING_CAMERA, FACING_CAMERA).tolist() == [False]


def test_facing_against_keypoints_leaves_profiles_undecided():
    px = 100 * FACING_CAMERA[..., :2]
    both = torch.cat([FACING_CAMERA, FACING_AWAY])
    assert failure_modes.facing_contradicts_keypoints(both, px.expand(2, 4, 2)).tolist() == [False, True]
    profile = px * torch.tensor([0.1, 1.0])
    assert failure_modes.facing_contradicts_keypoints(FACING_AWAY, profile).tolist() == [False]
    # A handstand turns both by 180° in the image: a person who faces the camera still does.
    assert failure_modes.facing_contradicts_keypoints(UPSIDE_DOWN, -px).tolist() == [False]


def test_upside_down():
    px = 100 * FACING_CAMERA[..., :2]
    both = torch.cat([FACING_CAMERA, UPSIDE_DOWN])
    assert failure_modes.upside_down(both, px.expand(2, 4, 2)).tolist() == [False, True]
    assert failure_modes.upside_down(both, px.expand(2, 4, 2), camera_up=True).tolist() == [False, True]


def test_limb_depth_flips_need_a_clear_slope_in_both():
    true = torch.tensor([[[0.0, 0, 3], [0.2, 0, 2.8], [0.4, 0, 3.0]]])
    limbs = ((0, 1), (1, 2))
    mirrored = true * torch.tensor([1.0, 1, -1]) + torch.tensor([0.0, 0, 6])
    assert failure_modes.limb_depth_flips(mirrored, true, limbs).tolist() == [[True, True]]
    assert failure_modes.limb_depth_flips(true, true, limbs).tolist() == [[False, False]]
    # 0.02 over 0.2 is 5.7°, inside the margin of 15°.
    shallow = torch.tensor([[[0.0, 0, 3], [0.2, 0, 3.02], [0.4, 0, 2.8]]])
    assert failure_modes.limb_depth_flips(shallow, true, limbs).tolist() == [[False, True]]


def test_spike_height_and_volume():
    # The unit right tetrahedron: volume 1/6, faces wound outwards.
    rest = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    torch.testing.assert_close(failure_modes.signed_volume(rest, faces), torch.tensor([1 / 6]))
    torch.testing.assert_close(failure_modes.signed_volume(rest, faces.flip(1)), torch.tensor([-1 / 6]))
    spiky = rest.clone()
    spiky[0, 3, 2] = 5.0
    # The tip's distance from the mean of the other three, (1/3, 1/3, 0): √(25 + 2/9) instead of √(1 + 2/9).
    torch.testing.assert_close(
        failure_modes.spike_height(spiky, rest, faces), torch.tensor([5.0222 - 1.1055]), atol=1e-4, rtol=0
    )
    assert failure_modes.spike_height(rest + 0.3, rest, faces).item() < 1e-6
