"""docs/conventions.md, section by section."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.cameras import Camera, camera_from_focal
from render_fit.core.parts import PART_SPACES, SMPL_24_PARTS
from render_fit.core.skeletons import COCO_17, MEDIAPIPE_33, SKELETONS, SMPL_24
from render_fit.export.parameters import read_params, saved_fit, write_params
from render_fit.observations import observe
from render_fit.renderers import make_renderer
from render_fit.renderers.base import RenderSettings
from tests.fits import known_fit
from tests.photos import write_person

BODY = open_body()


def posed(joint="pelvis", rotvec=(0.0, 0.0, 0.0), transl=(0.0, 0.0, 0.0), offsets=None):
    pose = torch.zeros(1, 24, 3)
    pose[0, SMPL_24.index(joint)] = torch.tensor(rotvec)
    return BodyParameters.from_rotvec(pose, torch.zeros(1, 10), torch.tensor([transl]), offsets)


def joint(parameters, name):
    return BODY(parameters).joints[0, SMPL_24.index(name)]


def test_every_section_is_pinned():
    page = (Path(__file__).parents[1] / "docs" / "conventions.md").read_text(encoding="utf-8")
    sections = [title.lower().replace(" ", "_") for title in re.findall(r"^## (.*)$", page, flags=re.MULTILINE)]
    assert len(sections) > 10
    assert [section for section in sections if f"test_{section}" not in globals()] == []


def test_camera_axes():
    camera = camera_from_focal(100.0, 200, 300)
    points = torch.tensor([[[0.0, 0.0, 2.0], [0.2, 0.0, 2.0], [0.0, 0.2, 2.0]]])
    assert camera.project(points)[0].tolist() == [[150.0, 100.0], [160.0, 100.0], [150.0, 110.0]]


def test_pixel_centres():
    # a square from pixel (2, 1) to (3, 2): with f = 10 and z = 10 a metre is a pixel, the middle of 6 × 4 px is (3, 2)
    x = torch.tensor([[-1.0, -1.0, 10.0], [0.0, -1.0, 10.0], [0.0, 0.0, 10.0], [-1.0, 0.0, 10.0]])[None]
    faces = torch.tensor([[0, 2, 1], [0, 3, 2]])
    drawn = make_renderer("cpu")(
        x, faces, camera_from_focal(10.0, 4, 6), RenderSettings(sigma_px=0.01), outputs=("silhouette", "face_index")
    )
    expected = np.zeros((4, 6))
    expected[1, 2] = 1
    np.testing.assert_allclose(drawn.silhouette[0], expected, atol=1e-6)
    np.testing.assert_array_equal(drawn.face_index[0] >= 0, expected == 1)
    corner = camera_from_focal(10.0, 4, 6).unproject(torch.tensor([[[0.5, 0.5]]]), torch.tensor([[10.0]]))
    np.testing.assert_allclose(corner[0, 0], [-2.5, -1.5, 10])


def test_crops_change_k_only():
    camera = Camera(torch.tensor([[[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]]), 480, 640)
    crop = camera.crop(torch.tensor([[100.0, 40.0, 200.0, 400.0]]), 100, 100)
    assert crop.K[0].tolist() == [[250.0, 0, 110], [0, 125, 50], [0, 0, 1]]
    points = torch.tensor([[[0.3, -0.2, 2.0]]])
    expected = (camera.project(points) - torch.tensor([100.0, 40.0])) * torch.tensor([0.5, 0.25])
    torch.testing.assert_close(crop.project(points), expected)


def test_images_and_masks(tmp_path):
    path = write_person(tmp_path)
    (seen,) = observe(path, mask=tmp_path / "person_mask.png", keypoints=tmp_path / "person_keypoints.json")
    assert seen.image.shape == (3, 192, 128) and 0 <= seen.image.min() < seen.image.max() <= 1
    assert set(seen.mask.unique().tolist()) == {0.0, 1.0}
    # a crop that reaches 20 px past the photo's left edge
    crop = seen.crop_to((-20.0, 0.0, 100.0, 100.0), 100, 100)
    assert not crop.valid[:, :20].any() and crop.valid[:, 21:].all()


def test_body_axes():
    rest = posed()
    assert joint(rest, "left_wrist")[0] > 0.5 > 0 > joint(rest, "right_wrist")[0]
    assert joint(rest, "head")[1] > 0.2 and joint(rest, "left_ankle")[1] < -0.6
    assert joint(rest, "left_foot")[2] > joint(rest, "left_ankle")[2] + 0.05
    assert joint(rest, "pelvis").norm() < 0.4


def test_facing_the_camera():
    person = posed(rotvec=(math.pi, 0.0, 0.0), transl=(0.0, 0.0, 3.0))
    camera = camera_from_focal(500.0, 600, 600)
    pixels = dict(zip(COCO_17.joints, camera.project(BODY.keypoints(person, COCO_17))[0].tolist(), strict=True))
    assert pixels["nose"][1] < pixels["left_hip"][1] < pixels["left_ankle"][1]
    assert pixels["left_wrist"][0] > 300 > pixels["right_wrist"][0]
    depth = dict(zip(COCO_17.joints, BODY.keypoints(person, COCO_17)[0, :, 2].tolist(), strict=True))
    assert depth["nose"] < depth["left_ear"]


def test_left_and_right():
    person = posed()
    for skeleton in SKELETONS.values():
        x = BODY.keypoints(person, skeleton)[0, :, 0]
        for name, value, known in zip(skeleton.joints, x.tolist(), BODY.supports(skeleton).tolist(), strict=True):
            side = "left" if "left" in name.split("_") else "right" if "right" in name.split("_") else None
            if side and known:
                assert (value > 0) == (side == "left"), (skeleton.name, name)
    assert MEDIAPIPE_33.joints[11] == "left_shoulder"  # BlazePose GHUM 3D model card: 11 is the person's left
    lefts = BODY.v_template[BODY.vertex_parts == SMPL_24.index("left_elbow")]
    assert (lefts[:, 0] > 0).all()


def test_poses():
    straight = posed()
    bent = posed("left_knee", (1.2, 0.0, 0.0))
    assert joint(bent, "left_ankle")[2] < joint(straight, "left_ankle")[2] - 0.2  # backwards
    lowered = posed("left_shoulder", (0.0, 0.0, -1.2))
    assert joint(lowered, "left_wrist")[1] < joint(straight, "left_wrist")[1] - 0.3
    torch.testing.assert_close(joint(lowered, "right_wrist"), joint(straight, "right_wrist"))
    assert posed("left_knee", (1.2, 0.0, 0.0)).rotations.shape == (1, 24, 3, 3)


def test_translation():
    rest = joint(posed(), "pelvis")
    moved = joint(posed(rotvec=(0.4, 1.0, -2.0), transl=(1.0, 2.0, 3.0)), "pelvis")
    torch.testing.assert_close(moved, rest + torch.tensor([1.0, 2.0, 3.0]), atol=1e-5, rtol=0)


def test_offsets():
    offsets = torch.zeros(1, BODY.n_vertices, 3)
    offsets[..., 2] = 0.1  # forward at rest
    turned, plain = posed(rotvec=(0, math.pi / 2, 0), offsets=offsets), posed(rotvec=(0, math.pi / 2, 0))
    moved = BODY(turned).vertices - BODY(plain).vertices
    # turned with the body: z forward becomes x
    torch.testing.assert_close(moved, torch.tensor([0.1, 0, 0]).expand_as(moved), atol=1e-5, rtol=0)
    torch.testing.assert_close(BODY(turned).joints, BODY(plain).joints)


def test_part_labels():
    assert SMPL_24_PARTS.labels[0] == "background"
    assert SMPL_24_PARTS.labels[1:] == SMPL_24.joints
    for space in PART_SPACES.values():
        assert space.emission.shape == (25, len(space.labels))
        torch.testing.assert_close(space.emission.sum(dim=1), torch.ones(25))
    assert int(BODY.face_parts.min()) == 0 and int(BODY.face_parts.max()) == 23


def test_faces():
    a, b, c = (BODY.v_template[BODY.faces[:, i]] for i in range(3))
    volume = float((a * torch.linalg.cross(b, c)).sum() / 6)
    assert 0.04 < volume < 0.12  # cubic metres, positive: outwards; an adult is about 0.07


@pytest.mark.parametrize("sigma_px", [0.5, 2.0])
def test_silhouettes(sigma_px):
    # a half plane whose edge passes through pixel centres: x = 8.5
    x = torch.tensor([[0.5, -50.0, 10.0], [50.0, -50.0, 10.0], [50.0, 50.0, 10.0], [0.5, 50.0, 10.0]])[None]
    faces = torch.tensor([[0, 2, 1], [0, 3, 2]])
    alpha = make_renderer("cpu")(
        x, faces, camera_from_focal(10.0, 16, 16), RenderSettings("contour", sigma_px)
    ).silhouette
    assert float(alpha[0, 8, 8]) == pytest.approx(0.5, abs=1e-4)
    assert float(alpha[0, 8, 9]) == pytest.approx(1 / (1 + math.exp(-1 / sigma_px)), abs=1e-3)


def test_files(tmp_path):
    fit = known_fit()
    path = write_params(tmp_path / "params.npz", saved_fit(fit.parameters, fit.output.joints, fit.camera, "open"))
    saved = read_params(path)
    assert saved.poses.shape == (1, 72) and saved.betas.shape == (10,) and saved.offsets.shape == (BODY.n_vertices, 3)
    assert saved.image_size == (240, 160)
    torch.testing.assert_close(torch.from_numpy(saved.joints), fit.output.joints)


def test_names_of_dimensions_in_signatures():
    # two letters for one thing, or sizes that do not fit, are errors while tests run
    from jaxtyping import TypeCheckError

    with pytest.raises(TypeCheckError):
        camera_from_focal(1.0, 2, 2).project(torch.zeros(1, 5, 2))
