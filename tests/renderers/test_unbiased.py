"""At the true pose, against masks rendered by other code, the contour silhouette is unbiased in thickness."""

import numpy as np
import pytest
import torch
import trimesh
from skimage.draw import polygon

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.cameras import camera_from_focal
from render_fit.renderers import CpuRenderer, RenderSettings

SIZE = 224
SAMPLES = 8  # subsamples along a pixel's side
CAMERA = camera_from_focal(380.0, SIZE, SIZE)
THICKNESS_M = np.array([-0.006, -0.003, 0.0, 0.003, 0.006])


def hard_mask(corners_px: np.ndarray) -> torch.Tensor:
    """Antialiased union of triangles (F, 3, 2): scikit-image's polygons at eight times the resolution."""
    fine = np.zeros((SIZE * SAMPLES, SIZE * SAMPLES), dtype=bool)
    for corners in corners_px * SAMPLES - 0.5:
        rows, columns = polygon(corners[:, 1], corners[:, 0], fine.shape)
        fine[rows, columns] = True
    return torch.tensor(fine.reshape(SIZE, SAMPLES, SIZE, SAMPLES).mean((1, 3)), dtype=torch.float32)


def capsule_person(sections: int) -> trimesh.Trimesh:
    """Torso, head, arms and legs of capsules, y down, about 1.7 m tall."""
    bones = [([0, -0.25, 0], [0, 0.25, 0], 0.15), ([0, -0.6, 0], [0, -0.52, 0], 0.1)]
    for s in (-1, 1):
        bones.append(([0.17 * s, -0.3, 0], [0.38 * s, 0.0, -0.05], 0.05))
        bones.append(([0.38 * s, 0.0, -0.05], [0.3 * s, 0.25, -0.25], 0.045))
        bones.append(([0.1 * s, 0.25, 0], [0.15 * s, 0.65, 0], 0.08))
        bones.append(([0.15 * s, 0.65, 0], [0.17 * s, 1.0, 0.1], 0.06))
    capsules = []
    for start, end, radius in np.array([(a, b, [r] * 3) for a, b, r in bones]):
        length = np.linalg.norm(end - start)
        capsule = trimesh.creation.capsule(height=length, radius=radius[0], count=[sections, sections])
        transform = trimesh.geometry.align_vectors([0, 0, 1], (end - start) / length)
        transform[:3, 3] = start
        capsules.append(capsule.apply_transform(transform))
    return trimesh.util.concatenate(capsules)


def standing_body() -> trimesh.Trimesh:
    body = open_body()
    pose = torch.zeros(1, 24, 3)
    pose[0, 0, 0] = torch.pi
    pose[0, 16, 2], pose[0, 17, 2], pose[0, 1, 0] = -1.0, 0.8, -0.4
    parameters = BodyParameters.from_rotvec(pose, torch.zeros(1, body.n_betas), torch.zeros(1, 3))
    vertices = body(parameters).vertices[0].numpy()
    return trimesh.Trimesh(vertices - [0, vertices[:, 1].mean(), 0], body.faces.numpy(), process=False)


MESHES = {
    "capsules, 1,280 faces": lambda: capsule_person(8),
    "capsules, 11,520 faces": lambda: capsule_person(24),
    "open body, 14 k faces": standing_body,
}


@pytest.mark.parametrize("name", MESHES)
def test_best_thickness_is_within_2_mm(name: str) -> None:
    mesh = MESHES[name]()
    vertices = torch.tensor(np.array(mesh.vertices), dtype=torch.float32) + torch.tensor([0.0, 0.0, 3.4])
    normals = torch.tensor(np.array(mesh.vertex_normals), dtype=torch.float32)
    faces = torch.tensor(np.array(mesh.faces), dtype=torch.int64)
    mask = hard_mask(CAMERA.project(vertices[None])[0][faces].numpy())
    found = {}
    # 2 mm is what issue 2 asks for. σ = 4 px is more than half the width of a forearm (6 px): both its borders count.
    limit = {0.5: 2.0, 1.0: 2.0, 2.0: 2.0, 4.0: 3.0}
    for sigma_px in limit:
        errors = []
        for thickness in THICKNESS_M:
            alpha = CpuRenderer()(
                (vertices + float(thickness) * normals)[None], faces, CAMERA, RenderSettings(sigma_px=sigma_px)
            ).silhouette
            errors.append(float((alpha[0] - mask).square().sum()))
        curve = np.polyfit(THICKNESS_M * 1000, errors, 2)
        assert curve[0] > 0
        found[sigma_px] = -curve[1] / (2 * curve[0])
    assert all(abs(best) <= limit[sigma_px] for sigma_px, best in found.items()), f"best, mm, by σ: {found}"


def test_softras_is_biased_towards_thinner_bodies() -> None:
    """At σ = 1 px the published formula is off by centimetres."""
    mesh = MESHES["open body, 14 k faces"]()
    vertices = torch.tensor(np.array(mesh.vertices), dtype=torch.float32) + torch.tensor([0.0, 0.0, 3.4])
    faces = torch.tensor(np.array(mesh.faces), dtype=torch.int64)
    areas = {
        silhouette: float(
            CpuRenderer()(
                vertices[None], faces, CAMERA, RenderSettings(silhouette=silhouette, sigma_px=1.0)
            ).silhouette.sum()
        )
        for silhouette in ("contour", "softras")
    }
    # Ratio of the areas: 1.2 at σ = 5e-5 (0.8 px at 224²) and 1.3 at 1e-4 (1.1 px), more with more faces.
    assert 1.15 < areas["softras"] / areas["contour"] < 1.5


def test_the_gradient_of_part_maps_integrates_to_their_change() -> None:
    """A forearm swings by 0.2 rad in 40 steps: the gradient's integral is the change of the loss.

    Measured: −0.91 of −0.98. With ``softmax`` borders it is −0.62 of −2.63: the rest are jumps.
    """
    body = open_body()
    camera = camera_from_focal(190.0, 112, 112)

    def vertices(angle: torch.Tensor) -> torch.Tensor:
        pose = torch.zeros(1, 24, 3)
        pose[0, 0, 0] = torch.pi
        pose[0, 16, 2], pose[0, 17, 2], pose[0, 18, 1], pose[0, 1, 0] = -1.0, 0.9, -1.2, -0.3
        pose[0, 18, 1] = pose[0, 18, 1] + angle
        parameters = BodyParameters.from_rotvec(pose, torch.zeros(1, body.n_betas), torch.tensor([[0.0, -0.25, 3.3]]))
        return body(parameters).vertices

    settings = RenderSettings(sigma_px=2.0, part_sigma_px=1.0)
    seen = CpuRenderer()(vertices(torch.tensor(0.0)), body.faces, camera, settings, outputs=("face_index",)).face_index
    target = torch.nn.functional.one_hot(torch.where(seen >= 0, body.face_parts[seen.clamp(min=0)], 24), 25)[..., :24]
    values, slopes = [], []
    for step in range(41):
        angle = torch.tensor(-0.3 + 0.005 * step, requires_grad=True)
        parts = CpuRenderer()(
            vertices(angle), body.faces, camera, settings, face_parts=body.face_parts, outputs=("parts",)
        ).parts
        loss = 1000 * (parts - target.permute(0, 3, 1, 2)).square().sum(1).mean()
        slopes.append(float(torch.autograd.grad(loss, angle)[0]))
        values.append(float(loss.detach()))
    change = values[-1] - values[0]
    assert change < -0.3
    assert 0.005 * (sum(slopes) - (slopes[0] + slopes[-1]) / 2) == pytest.approx(change, rel=0.15)
