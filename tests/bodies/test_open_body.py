"""The open body: SMPL's meaning, real adults, a clean mesh, a small asset."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from render_fit.bodies import Body, BodyParameters, open_body
from render_fit.bodies.mesh_operators import mirror_vertices
from render_fit.bodies.open_body import ASSET
from render_fit.core.skeletons import SMPL_24

# SMPL neutral's mean rest joints, child minus parent in metres, as tabulated in public code (HybrIK's SMPL_BODY_BONES,
# MuJoCo's smpl_humanoid.xml); y up, z forward, x to the person's left.
SMPL_BONES = {
    "left_hip": (0.0695, -0.0914, -0.0068),
    "right_hip": (-0.0677, -0.0905, -0.0043),
    "spine1": (-0.0025, 0.109, -0.0267),
    "left_knee": (0.0343, -0.3752, -0.0045),
    "right_knee": (-0.0383, -0.3826, -0.0089),
    "spine2": (0.0055, 0.1352, 0.0011),
    "left_ankle": (-0.0136, -0.398, -0.0437),
    "right_ankle": (0.0158, -0.3984, -0.0423),
    "spine3": (0.0015, 0.0529, 0.0254),
    "left_foot": (0.0264, -0.0558, 0.1193),
    "right_foot": (-0.0254, -0.0481, 0.1233),
    "neck": (-0.0028, 0.2139, -0.0429),
    "left_collar": (0.0788, 0.1217, -0.0341),
    "right_collar": (-0.0818, 0.1188, -0.0386),
    "head": (0.0052, 0.065, 0.0513),
    "left_shoulder": (0.091, 0.0305, -0.0089),
    "right_shoulder": (-0.096, 0.0326, -0.0091),
    "left_elbow": (0.2596, -0.0128, -0.0275),
    "right_elbow": (-0.2537, -0.0133, -0.0214),
    "left_wrist": (0.2492, 0.009, -0.0012),
    "right_wrist": (-0.2553, 0.0078, -0.0056),
    "left_hand": (0.084, -0.0082, -0.0149),
    "right_hand": (-0.0846, -0.0061, -0.0103),
}
SMPL_PELVIS = (-0.0018, -0.2233, 0.0282)


def bones_of(body: Body) -> dict[str, np.ndarray]:
    joints = body.rest_joints(torch.zeros(1, body.n_betas))[0].numpy()
    return {name: joints[i] - joints[body.parents[i]] for i, name in enumerate(body.joint_names) if i}


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def stature_and_bmi(body: Body, betas: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Metres, and kg/m2 at 985 kg/m3 (a whole body with air in the lungs)."""
    vertices = body.rest_vertices(betas).double().numpy()
    stature = np.ptp(vertices[..., 1], axis=1)
    volume = np.array([trimesh.Trimesh(v, body.faces.numpy(), process=False).volume for v in vertices])
    return stature, 985.0 * volume / stature**2


@pytest.mark.parametrize("name", SMPL_BONES)
def test_bones_have_smpls_directions(body: Body, name: str) -> None:
    assert angle_deg(bones_of(body)[name], np.array(SMPL_BONES[name])) < 3.0


@pytest.mark.parametrize("name", ["left_hip", "right_hip"])
def test_hips_are_at_smpls_positions(body: Body, name: str) -> None:
    assert np.linalg.norm(bones_of(body)[name] - SMPL_BONES[name]) < 0.010


def test_the_pelvis_is_smpls_and_does_not_move_with_shape(body: Body) -> None:
    betas = torch.cat([torch.zeros(1, 10), 2 * torch.randn(20, 10)])
    pelvis = body.rest_joints(betas)[:, 0].numpy()
    assert np.linalg.norm(pelvis[0] - SMPL_PELVIS) < 0.002
    assert np.linalg.norm(pelvis - pelvis[0], axis=1).max() < 0.002


def test_smpls_joints_are_those_of_the_shared_data(shared_data: Path) -> None:
    table = json.loads((shared_data / "smpl_rest_bones.json").read_text())
    for name, offset in zip(table["joints"][1:], table["offsets_m"][1:], strict=True):
        assert tuple(offset) == SMPL_BONES[name]


def test_bone_directions_do_not_depend_on_shape(body: Body) -> None:
    """Bones keep their directions within a few degrees over adults: rotations mean the same in every body."""
    joints = body.rest_joints(torch.randn(200, 10)).numpy()
    mean = bones_of(body)
    for i, name in enumerate(body.joint_names):
        if i and "hand" not in name:
            bones = joints[:, i] - joints[:, body.parents[i]]
            angles = [angle_deg(bone, mean[name]) for bone in bones]
            assert np.median(angles) < 3.0, name


def test_mesh_is_closed_connected_and_oriented_outwards(body: Body) -> None:
    assert 6000 <= body.n_vertices <= 8000
    mesh = trimesh.Trimesh(body.v_template.numpy(), body.faces.numpy(), process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.body_count == 1 and mesh.euler_number == 2  # one sphere: no handles, no inner shells
    assert 0.06 < mesh.volume < 0.085  # cubic metres; positive means outward
    assert len(np.unique(body.faces.numpy())) == body.n_vertices
    assert mesh.area_faces.min() > 1e-8


def crossings(body: Body, x: float, y: float) -> int:
    """How many faces a ray along z at (x, y) meets."""
    triangles = body.v_template.double().numpy()[body.faces.numpy()][..., :2]
    a, b, c = (triangles[:, k] - (x, y) for k in range(3))
    sides = np.stack([p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in ((a, b), (b, c), (c, a))])
    return int(((sides > 0).all(0) | (sides < 0).all(0)).sum())


def test_no_cavities_inside_the_head(body: Body) -> None:
    """A ray from the front through eyes, eyelids, lips or the mouth's slit enters the head once and leaves it once."""
    names = list(body.landmark_names)
    at = {name: (body.landmark_regressor[names.index(name)] @ body.v_template).tolist() for name in names}
    inner, outer = at["left_eye_inner"], at["left_eye_outer"]
    for share in (0.3, 0.5, 0.7):
        x, y = (inner[k] + share * (outer[k] - inner[k]) for k in (0, 1))
        assert crossings(body, x, y + 0.0003) == 2
    for x in (0.2, 0.5, 0.8):
        # A lip may overhang the slit by a fold, as a real one does: never more than that.
        assert crossings(body, x * at["mouth_left"][0], at["mouth_left"][1] + 0.0003) in (2, 4)


def test_left_and_right_are_the_same(body: Body) -> None:
    mirror = mirror_vertices(body.v_template)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    shapes = body.rest_vertices(torch.randn(5, 10))
    torch.testing.assert_close(shapes[:, mirror] * flip, shapes, atol=1e-4, rtol=0)  # float16 shape directions
    swap = list(SMPL_24.left_right_swap)
    torch.testing.assert_close(body.weights[mirror][:, swap], body.weights, atol=1e-6, rtol=0)
    joints = body.rest_joints(torch.zeros(1, 10))[0]
    # The head joint is 1 mm off the midline, as SMPL's is 5: see docs/open_body.md.
    torch.testing.assert_close(joints[swap] * flip, joints, atol=2.5e-3, rtol=0)


def test_skinning_weights_and_regressors_are_convex(body: Body) -> None:
    # The joint regressor follows the shape components, at the price of some negative weights.
    for matrix, least in ((body.weights, 0.0), (body.J_regressor, -1.0), (body.landmark_regressor, 0.0)):
        assert matrix.min() >= least
        torch.testing.assert_close(matrix.sum(1), torch.ones(len(matrix)), atol=1e-5, rtol=0)


def test_positions_of_parts(body: Body) -> None:
    part = {name: body.v_template[body.vertex_parts == i] for i, name in enumerate(SMPL_24.joints)}
    assert part["head"][:, 1].min() > part["spine1"][:, 1].max() - 0.2
    assert part["left_hand"][:, 0].min() > 0.6 and part["right_hand"][:, 0].max() < -0.6
    assert part["left_foot"][:, 2].min() > part["left_ankle"][:, 2].min()
    assert set(body.face_parts.tolist()) == set(range(24))


def test_shapes_of_unit_variance_have_published_stature_and_bmi(body: Body) -> None:
    """Betas ~ N(0, 1) against men and women in equal parts (sources in building/source.py).

    Stature: N(1.755, 0.076) and N(1.618, 0.071) m mix to percentiles 5, 50, 95 of 1.522, 1.685 and 1.851 m.
    Body mass index: log-normals of median 23.8 and 24.2, log std 0.187 and 0.207: 17.3, 24.0, 33.3 kg/m2.
    """
    stature, bmi = stature_and_bmi(body, torch.randn(200, 10, generator=torch.Generator().manual_seed(1)))
    # 4 cm and 2.5 kg/m2: a Gaussian cannot have the mixture's two humps nor the log-normal's skew.
    np.testing.assert_allclose(np.percentile(stature, [5, 50, 95]), [1.522, 1.685, 1.851], atol=0.04)
    np.testing.assert_allclose(np.percentile(bmi, [5, 50, 95]), [17.3, 24.0, 33.3], atol=2.5)


def test_bmi_from_17_to_45_is_within_three_standard_deviations(body: Body) -> None:
    """Along the direction that changes body mass index most, no coefficient beyond 3, and at every value in between."""
    steps = torch.eye(10) * 0.5
    _, up = stature_and_bmi(body, steps)
    _, down = stature_and_bmi(body, -steps)
    direction = torch.from_numpy(up - down).float()
    direction = direction / direction.norm()
    _, bmi = stature_and_bmi(body, (torch.linspace(-2.5, 8.5, 23)[:, None] * direction).clamp(-3, 3))
    assert (np.diff(bmi) > 0).all()
    assert bmi[0] < 17 and bmi[-1] > 45


def test_the_first_component_is_size(body: Body) -> None:
    betas = torch.zeros(3, 10)
    betas[:, 0] = torch.tensor([-2.0, 0.0, 2.0])
    stature, bmi = stature_and_bmi(body, betas)
    assert stature[2] - stature[1] > 0.1 and stature[1] - stature[0] > 0.1
    assert np.ptp(bmi) < 3


def test_fewer_components_are_the_first_of_more(body: Body) -> None:
    more = open_body(16)
    assert torch.equal(more.shapedirs[..., :10], body.shapedirs)
    with pytest.raises(ValueError, match="1 to 16"):
        open_body(17)


def test_lowered_arms_keep_the_volume(body: Body) -> None:
    """Volume under posing: linear blend skinning loses some at shoulders and hips, but not limbs."""
    pose = torch.zeros(1, 24, 3)
    pose[0, SMPL_24.index("left_shoulder"), 2] = -1.2
    pose[0, SMPL_24.index("right_shoulder"), 2] = 1.2
    posed = body(BodyParameters.from_rotvec(pose, torch.zeros(1, 10), torch.zeros(1, 3))).vertices[0]
    faces = body.faces.numpy()
    volume = [trimesh.Trimesh(v.numpy(), faces, process=False).volume for v in (body.v_template, posed)]
    assert 0.97 < volume[1] / volume[0] < 1.03


def test_asset_is_small_and_loads_fast() -> None:
    assert len(ASSET.read_bytes()) < 5e6
    times = []
    for _ in range(3):
        begin = time.process_time()  # processor time: other programs do not count
        open_body()
        times.append(time.process_time() - begin)
    assert min(times) < 0.5
