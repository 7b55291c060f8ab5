import math

import numpy as np
import pytest
import roma
import torch

from render_fit.export.overlays import PAPER
from render_fit.export.views import front_yaw, person_turns, person_views, side_view
from render_fit.renderers import make_renderer
from tests.fits import known_fit

RENDERER = make_renderer("cpu")
SQUARE = torch.tensor([[-0.5, -0.5, 2.0], [0.5, -0.5, 2.0], [0.5, 0.5, 2.0], [-0.5, 0.5, 2.0]])
# counter-clockwise seen from the camera, so that the normals point at it
SQUARE_FACES = torch.tensor([[0, 2, 1], [0, 3, 2]])

UPRIGHT = torch.tensor([math.pi, 0.0, 0.0])
"""Global orientation of a person who faces the camera: the body's y is up, the camera's down."""


def oriented(*rotvecs):
    """Global orientation of an upright person who is then rotated about the camera's axes, in turn."""
    rotation = roma.rotvec_to_rotmat(UPRIGHT)
    for rotvec in rotvecs:
        rotation = roma.rotvec_to_rotmat(torch.tensor(rotvec)) @ rotation
    return rotation


def drawn(pixels):
    """Pixels that are neither paper nor the dark text of captions."""
    difference = np.abs(pixels.astype(int) - np.round(255 * PAPER).astype(int)).max(axis=2)
    blue = pixels[..., 2].astype(int) - pixels[..., 0]
    return (difference > 12) & (blue > 12)


def box(pixels):
    """Left, top, right, bottom of what is drawn, inclusive."""
    rows, columns = np.nonzero(drawn(pixels))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_the_left_of_the_side_view_was_nearer_the_camera():
    vertices = torch.cat([SQUARE - torch.tensor([0, 0, 1.0]), 0.3 * SQUARE + torch.tensor([0, 0, 2.0])])
    faces = torch.cat([SQUARE_FACES, SQUARE_FACES + 4])
    turned = side_view(vertices, faces, RENDERER, size_px=100, yaw_rad=1.2)
    drawn = (turned < 200).any(axis=2)
    assert drawn[:, :50].sum() > 2 * drawn[:, 50:].sum() > 0


@pytest.mark.parametrize("turn", [0.0, 0.7, -2.0, 3.0])
@pytest.mark.parametrize("lean", [0.0, 0.5, -1.0])
def test_the_front_is_where_the_persons_pelvis_faces(turn, lean):
    # leaning about the camera's x axis happens before the turn, so it does not change which way the person faces
    yaw = front_yaw(oriented((lean, 0.0, 0.0), (0.0, turn, 0.0)))
    assert math.remainder(yaw + turn, 2 * math.pi) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("lean", [math.pi / 2, -math.pi / 2])
def test_the_front_of_a_person_who_lies_follows_from_the_left_side(lean):
    yaw = front_yaw(oriented((lean, 0.0, 0.0), (0.0, 0.7, 0.0)))
    assert math.remainder(yaw + 0.7, 2 * math.pi) == pytest.approx(0, abs=1e-5)


def test_a_person_who_turns_in_the_photo_has_the_same_views():
    fit = known_fit(offsets=False)
    vertices, rotation = fit.output.vertices[0], fit.parameters.rotations[0, 0]
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, 1.3, 0.0]))
    centre = vertices.mean(dim=0)
    first, second = (
        person_views({"body": mesh}, fit.faces, RENDERER, person_turns(orientation), height_px=160)
        for mesh, orientation in ((vertices, rotation), ((vertices - centre) @ turn.T + centre, turn @ rotation))
    )
    assert first.shape == second.shape
    assert np.abs(first.astype(int) - second).mean() < 0.5


POSTURES = {
    "on the back": oriented((-math.pi / 2, 0.0, 0.0)),
    "on the belly": oriented((math.pi / 2, 0.0, 0.0)),
    "on the side": oriented((0.0, 0.0, math.pi / 2)),
    "on the other side": oriented((0.0, 0.0, -math.pi / 2)),
    "feet to the camera": oriented((-math.pi / 2, 0.0, 0.0), (0.0, 0.9, 0.0)),
    "from above": oriented((0.0, 0.0, math.pi / 2), (math.pi / 2, 0.0, 0.0)),
}


@pytest.mark.parametrize("rotation", POSTURES.values(), ids=POSTURES)
def test_a_person_who_lies_is_seen_at_full_length_with_the_head_to_the_left(rotation):
    turns = person_turns(rotation)
    up, forward, left = (rotation.float() @ axis for axis in torch.eye(3)[[1, 2, 0]])
    for turn in turns.values():
        torch.testing.assert_close(turn @ turn.T, torch.eye(3), atol=1e-5, rtol=0)
        assert float(torch.linalg.det(turn)) == pytest.approx(1, abs=1e-5)
        torch.testing.assert_close(turn @ up, torch.tensor([-1.0, 0.0, 0.0]), atol=1e-5, rtol=0)
    # the front faces the viewer, and in the view of the side the left or right does
    assert float((turns["front"] @ forward)[2]) == pytest.approx(-1, abs=1e-5)
    assert abs(float((turns["side"] @ left)[2])) == pytest.approx(1, abs=1e-5)


def test_people_who_stand_sit_or_bend_are_turned_about_the_vertical_alone():
    for rotation in (oriented(), oriented((0.9, 0.0, 0.0)), oriented((0.0, 0.0, 0.8), (0.0, 2.0, 0.0))):
        for turn in person_turns(rotation).values():
            torch.testing.assert_close(turn @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))


def test_all_views_have_one_scale_and_one_floor():
    # a box of 0.2 (x) × 1.0 (y) × 0.6 m (z), and the same with 5 cm of clothing around it, but not under it
    corners = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = torch.tensor([[a, b, c] for a, b, c, _ in quads] + [[a, c, d] for a, _, c, d in quads])
    body = corners * torch.tensor([0.1, 0.5, 0.3]) + torch.tensor([0.4, 0.1, 3.0])
    clothed = corners * torch.tensor([0.15, 0.5, 0.35]) + torch.tensor([0.4, 0.1, 3.0])
    sheet = person_views({"body": body, "clothed": clothed}, faces, RENDERER, person_turns(oriented()), height_px=400)
    columns = np.nonzero(drawn(sheet).any(axis=0))[0]
    parts = np.split(columns, np.nonzero(np.diff(columns) > 1)[0] + 1)
    boxes = [box(sheet[:, part.min() : part.max() + 1]) for part in parts]
    widths = [right - left + 1 for left, _, right, _ in boxes]
    pixels_per_m = 0.94 * 400  # the height of 1 m fills the view but for its margin
    # a camera at a distance, not at infinity: the nearer side of a box is larger by 1 to 2 %
    assert widths == pytest.approx([pixels_per_m * m for m in (0.2, 0.6, 0.3, 0.7)], rel=0.03)
    assert np.ptp([bottom for _, _, _, bottom in boxes]) <= 4
    assert np.ptp([top for _, top, _, _ in boxes]) <= 4


def test_the_body_differs_from_the_clothed_mesh():
    fit = known_fit()
    turns = person_turns(fit.parameters.rotations[0, 0])
    unclothed, clothed = fit.unclothed_vertices[0], fit.output.vertices[0]
    both = person_views({"body": unclothed, "clothed": clothed}, fit.faces, RENDERER, turns, height_px=160)
    half = both.shape[1] // 2
    alone = person_views({"body": unclothed}, fit.faces, RENDERER, turns, height_px=160)
    assert drawn(both[:, :half]).sum() == pytest.approx(drawn(alone).sum(), rel=0.05)
    assert np.abs(both[:, :half].astype(int) - both[:, -half:]).max() > 60
