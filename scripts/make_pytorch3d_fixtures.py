"""Pictures and gradients by PyTorch3D, which the tests compare the other renderers with where it is not installed.

    python scripts/make_pytorch3d_fixtures.py       # writes tests/renderers/pytorch3d_{silhouettes,parts}.npz

Needs PyTorch3D. Every scene is drawn through ``MeshRasterizer`` with ``clip_barycentric_coords=True``,
``perspective_correct=False``, without its coarse bins, and with so many faces per pixel that none is left out (which
is checked): silhouettes with ``SoftSilhouetteShader``; part maps as the alpha of ``sigmoid_alpha_blend`` times the
colours of ``softmax_rgb_blend``, which are the parts' indicators, three parts at a time. The adapter in render_fit is
left out of it: what it does wrong must not get into what is compared with. The gradient is that of Σ weight · picture
with respect to the vertices in camera coordinates (OpenCV's, metres).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytorch3d
import torch
from pytorch3d.renderer import (
    BlendParams,
    MeshRasterizer,
    PerspectiveCameras,
    RasterizationSettings,
    SoftSilhouetteShader,
)
from pytorch3d.renderer.blending import sigmoid_alpha_blend, softmax_rgb_blend
from pytorch3d.renderer.mesh.rasterizer import Fragments
from pytorch3d.structures import Meshes
from torch import Tensor
from torch.nn import functional

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.cameras import Camera, camera_from_focal
from render_fit.core.parts import N_PARTS
from render_fit.renderers import RenderSettings
from tests.renderers.scenes import MESHES, part_weights, scene

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "renderers"
SEED = 5
SIGMAS_PX = (0.6, 1.5)
BODY_SIZE_PX = 72
LEFT_OUT = ("slivers and faces without area", "partly behind the camera")
"""PyTorch3D divides by the areas of the first's faces, and clips the second's at another depth."""

NEAR_M, FAR_M = 1.0, 6.0
"""Planes of ``softmax_rgb_blend``, which the scenes lie between. They cancel, but for a background of 1e-10."""

MOVED_M: dict[str, tuple[float, float, float]] = {"a ring that hides itself": (0.01, 0.0, 0.0)}
"""Where a scene stands elsewhere for its part maps. In its place one pixel centre of the ring falls into a face seen
edge-on (0.03 px²), whose depth gradient PyTorch3D's float32 has to 1e-4 only, and the whole gradient is off by
1.06e-4; in the new place by 7e-6."""

TOO_ROUGH = {("the open body", 1.5)}
"""Part maps that are left out. 3,552 faces are in reach of one pixel there, many seen edge-on, and PyTorch3D's float32
does not hold their areas: values agree to 2.7e-6, the gradient's cosine is 1 − 2e-8, but its relative error is 2.2e-4.
Rounding nothing but the projected vertices to float32 (9e-6 px) changes it by as much; with the body 1 cm beside its
place it is 3e-4 to 2e-2. ``NEARER_M`` has the same body larger."""

NEARER_M = 1.8
"""How much nearer than in ``posed_body`` the body stands where it is drawn a second time, partly outside the image."""


@dataclass(frozen=True)
class Case:
    """A mesh before a camera."""

    name: str
    vertices: Tensor
    faces: Tensor
    camera: Camera
    face_parts: Tensor
    faces_per_pixel: int


def posed_body() -> tuple[Tensor, Tensor, Camera]:
    """The open body with an arm before its torso, one leg lifted."""
    body = open_body()
    pose = torch.zeros(1, 24, 3)
    pose[0, 0, 0] = torch.pi
    pose[0, 16] = torch.tensor([0.2, -0.7, -0.9])
    pose[0, 18] = torch.tensor([0.0, -1.6, 0.0])
    pose[0, 2] = torch.tensor([-1.0, 0.2, 0.0])
    parameters = BodyParameters.from_rotvec(pose, torch.zeros(1, body.n_betas), torch.tensor([[0.0, -0.3, 3.6]]))
    return body(parameters).vertices, body.faces, camera_from_focal(1.3 * BODY_SIZE_PX, BODY_SIZE_PX, BODY_SIZE_PX)


def fragments_of(
    vertices: Tensor, faces: Tensor, camera: Camera, settings: RenderSettings, faces_per_pixel: int
) -> Fragments:
    """What the rasterizer finds for one mesh, cut to as many faces as the fullest pixel has.

    Raises:
        RuntimeError: if a pixel has more faces than were kept.
    """
    height, width = camera.height, camera.width
    K = camera.K.float()
    cameras = PerspectiveCameras(
        focal_length=torch.stack([K[:, 0, 0], K[:, 1, 1]], dim=-1),
        principal_point=K[:, :2, 2],
        in_ndc=False,
        image_size=torch.tensor([[height, width]]),
    )
    rasterizer = MeshRasterizer(
        cameras=cameras,
        raster_settings=RasterizationSettings(
            image_size=(height, width),
            blur_radius=(settings.softras_radius_px / pixels_per_unit(camera)) ** 2,
            faces_per_pixel=faces_per_pixel,
            bin_size=0,
            perspective_correct=False,
            clip_barycentric_coords=True,
        ),
    )
    found = rasterizer(Meshes(verts=list(vertices * vertices.new_tensor([-1.0, -1.0, 1.0])), faces=[faces]))
    most = int((found.pix_to_face >= 0).sum(-1).max())
    if most == faces_per_pixel:
        raise RuntimeError(f"{faces_per_pixel} faces per pixel are too few: some were left out")
    return Fragments(
        found.pix_to_face[..., :most], found.zbuf[..., :most], found.bary_coords[..., :most, :], found.dists[..., :most]
    )


def pixels_per_unit(camera: Camera) -> float:
    """PyTorch3D's image is two units across its shorter side."""
    return min(camera.height, camera.width) / 2


def silhouette(fragments: Fragments, camera: Camera, settings: RenderSettings) -> Tensor:
    """(H, W) alpha."""
    shader = SoftSilhouetteShader(BlendParams(sigma=(settings.sigma_px / pixels_per_unit(camera)) ** 2))
    return shader(fragments, None)[0, ..., 3]


def part_maps(fragments: Fragments, camera: Camera, settings: RenderSettings, face_parts: Tensor) -> Tensor:
    """(24, H, W) alpha × share."""
    blend = BlendParams(
        sigma=(settings.sigma_px / pixels_per_unit(camera)) ** 2,
        # The blend takes depths as shares of the range from its near to its far plane.
        gamma=settings.gamma_m / (FAR_M - NEAR_M),
        background_color=(0.0, 0.0, 0.0),
    )
    indicator = functional.one_hot(face_parts[fragments.pix_to_face.clamp(min=0)], N_PARTS).float()
    shares = [
        softmax_rgb_blend(indicator[..., first : first + 3], fragments, blend, znear=NEAR_M, zfar=FAR_M)[0, ..., :3]
        for first in range(0, N_PARTS, 3)
    ]
    alpha = sigmoid_alpha_blend(indicator[..., :3], fragments, blend)[0, ..., 3]
    return (alpha[..., None] * torch.cat(shares, dim=-1)).permute(2, 0, 1)


def make_silhouettes(cases: list[Case]) -> dict[str, np.ndarray]:
    """Alpha and gradient of every case, and the meshes and cameras."""
    generator = torch.Generator().manual_seed(SEED)
    arrays: dict[str, np.ndarray] = {
        "about": np.array(
            f"PyTorch3D {pytorch3d.__version__}, torch {torch.__version__}, CPU, float32; SoftSilhouetteShader, "
            f"clip_barycentric_coords=True, bin_size=0; weights by torch.randn, seed {SEED}; "
            "scripts/make_pytorch3d_fixtures.py"
        )
    }
    for case in cases:
        arrays |= _mesh(case)
        for sigma_px in SIGMAS_PX:
            leaf = case.vertices.detach().clone().requires_grad_()
            settings = RenderSettings(silhouette="softras", sigma_px=sigma_px)
            alpha = silhouette(
                fragments_of(leaf, case.faces, case.camera, settings, case.faces_per_pixel), case.camera, settings
            )
            weight = torch.randn(alpha.shape, generator=generator)
            (gradient,) = torch.autograd.grad((weight * alpha).sum(), leaf)
            prefix = f"{case.name}/sigma {sigma_px}"
            arrays |= {f"{prefix}/alpha": alpha.detach().numpy(), f"{prefix}/weight": weight.numpy()}
            arrays[f"{prefix}/gradient"] = gradient[0].numpy()
    return arrays


def parts_from_keypoints(cases: list[Case]) -> dict[str, np.ndarray]:
    """Part maps (those of the parts that are there) and gradients of every case, and the meshes and cameras."""
    arrays: dict[str, np.ndarray] = {
        "about": np.array(
            f"PyTorch3D {pytorch3d.__version__}, torch {torch.__version__}, CPU, float32; softmax_rgb_blend of the "
            "parts' indicators × sigmoid_alpha_blend, clip_barycentric_coords=True, perspective_correct=False, "
            "bin_size=0; weights by tests.renderers.scenes.part_weights; scripts/make_pytorch3d_fixtures.py"
        )
    }
    for case in cases:
        arrays |= _mesh(case)
        arrays[f"{case.name}/face_parts"] = case.face_parts.numpy().astype(np.int8)
        for sigma_px in SIGMAS_PX:
            if (case.name, sigma_px) in TOO_ROUGH:
                continue
            leaf = case.vertices.detach().clone().requires_grad_()
            settings = RenderSettings(silhouette="softras", sigma_px=sigma_px)
            parts = part_maps(
                fragments_of(leaf, case.faces, case.camera, settings, case.faces_per_pixel),
                case.camera, settings, case.face_parts,
            )  # fmt: skip
            weight = torch.from_numpy(part_weights(*parts.shape))
            (gradient,) = torch.autograd.grad((weight.float() * parts).sum(), leaf)
            prefix = f"{case.name}/sigma {sigma_px}"
            present = case.face_parts.unique()
            arrays |= {f"{prefix}/parts": parts[present].detach().numpy(), f"{prefix}/gradient": gradient[0].numpy()}
    return arrays


def _mesh(case: Case) -> dict[str, np.ndarray]:
    return {
        f"{case.name}/vertices": case.vertices[0].detach().numpy(),
        f"{case.name}/faces": case.faces.numpy().astype(np.int32),
        f"{case.name}/K": case.camera.K[0].numpy(),
    }


def _moved(case: Case) -> Case:
    """The case for part maps: some of them stand elsewhere."""
    offset = case.vertices.new_tensor(MOVED_M.get(case.name, (0.0, 0.0, 0.0)))
    return replace(case, vertices=case.vertices + offset)


def main() -> None:
    scenes = {name: scene(name) for name in MESHES if name not in LEFT_OUT}
    cases = [Case(name, one.vertices.float(), one.faces, one.camera, one.parts, 150) for name, one in scenes.items()]
    vertices, faces, camera = posed_body()
    cases.append(Case("the open body", vertices, faces, camera, open_body().face_parts, 5000))
    near = replace(
        cases[-1], name="the open body from nearby", vertices=vertices - vertices.new_tensor([0, 0, NEARER_M])
    )
    for name, arrays in (
        ("silhouettes", make_silhouettes(cases)),
        ("parts", parts_from_keypoints([*(_moved(case) for case in cases), near])),
    ):
        path = FOLDER / f"pytorch3d_{name}.npz"
        np.savez_compressed(path, **arrays)  # pyright: ignore[reportArgumentType]
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
