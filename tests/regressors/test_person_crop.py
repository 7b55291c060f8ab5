"""The camera that looks straight at a person."""

import roma
import torch

from render_fit.core.cameras import Camera, camera_from_focal
from render_fit.regressors.person_crop import person_crop


def test_points_are_mapped_to_their_projection_in_the_rotated_camera() -> None:
    photo = camera_from_focal(500.0, 480, 640)
    view = person_crop(photo, (420.0, 60.0, 120.0, 300.0), 64)
    points = torch.tensor([[[0.8, -0.2, 3.0], [1.1, 0.5, 3.4], [0.6, 0.1, 2.8]]])
    seen = view.project_points(photo.project(points), photo)
    torch.testing.assert_close(seen, view.camera.project(points @ view.rotation.mT), atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(view.rotation @ view.rotation.mT, torch.eye(3)[None], atol=1e-6, rtol=0)
    # The shortest turn does not roll: what it turns about lies in the picture's plane.
    assert abs(float(roma.rotmat_to_rotvec(view.rotation)[0, 2])) < 1e-6


def test_the_centre_of_the_box_is_the_centre_of_the_crop_and_the_box_fits() -> None:
    photo = camera_from_focal(700.0, 480, 640)
    box = (20.0, 30.0, 90.0, 380.0)
    view = person_crop(photo, box, 64, margin=1.2)
    left, top, width, height = box
    middle = torch.tensor([[[left + width / 2, top + height / 2]]])
    torch.testing.assert_close(view.project_points(middle, photo)[0, 0], torch.tensor([32.0, 32.0]), atol=1e-3, rtol=0)
    corners = torch.tensor([[[left, top], [left + width, top], [left, top + height], [left + width, top + height]]])
    away = (view.project_points(corners, photo) - 32).abs()
    assert abs(float(away.max()) - 32 / 1.2) < 1e-2


def test_images_are_warped_as_their_pixels_are() -> None:
    photo = camera_from_focal(90.0, 96, 128)
    view = person_crop(photo, (70.0, 20.0, 40.0, 40.0), 32)
    y, x = torch.meshgrid(torch.arange(96) + 0.5, torch.arange(128) + 0.5, indexing="ij")
    seen = view.warp_image(torch.stack([x, y])[None], photo)[0]
    centres = torch.arange(32) + 0.5
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    back = view_pixels_in_photo(view, photo, torch.stack([u, v], -1).reshape(1, -1, 2))[0]
    inside = ((back > 1) & (back < torch.tensor([127.0, 95.0]))).all(-1).view(32, 32)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(seen.permute(1, 2, 0)[inside], back.view(32, 32, 2)[inside], atol=1e-3, rtol=0)


def test_nothing_behind_a_camera_is_mirrored_into_the_image() -> None:
    photo = camera_from_focal(200.0, 960, 1280)  # 145° across
    view = person_crop(photo, (900.0, 0.0, 400.0, 960.0), 64)
    u, v = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="xy")
    rays = view.camera.unproject(torch.stack([u, v], -1).reshape(1, -1, 2), torch.ones(1, 64 * 64)) @ view.rotation
    behind = (rays[0, :, 2] < 0).view(64, 64)
    assert behind.float().mean() > 0.2
    assert not view.warp_image(torch.ones(1, 1, 960, 1280), photo)[0, 0, behind].any()
    away = view.project_points(torch.tensor([[[-9000.0, 480.0]]]), photo) - 32
    assert away.abs().max() > 1e4


def view_pixels_in_photo(view, photo: Camera, pixels: torch.Tensor) -> torch.Tensor:
    points = view.camera.unproject(pixels, torch.ones(pixels.shape[:2]))
    return photo.project(points @ view.rotation)
