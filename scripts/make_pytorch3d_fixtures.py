"""Silhouettes and gradients by PyTorch3D, which the tests compare the other renderers with where it is not installed.

    python scripts/make_pytorch3d_fixtures.py            # writes tests/renderers/pytorch3d_silhouettes.npz

Needs PyTorch3D. Every scene is drawn with ``SoftSilhouetteShader`` through ``MeshRasterizer`` with
``clip_barycentric_coords=True``, without its coarse bins, and with so many faces per pixel that none is left out
(which is checked). The adapter in render_fit is left out of it: what it does wrong must not get into what is compared
with. The gradient is that of Σ weight · alpha with respect to the vertices in camera coordinates
(OpenCV's, metres).
"""

from __future__ import annotations

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
from pytorch3d.structures import Meshes
from torch import Tensor

from render_fit.bodies import BodyParameters, open_body
from render_fit.cameras import Camera, camera_from_focal
from render_fit.renderers import RenderSettings
from tests.renderers.scenes import MESHES, scene

OUTPUT = Path(__file__).resolve().parents[1] / "tests" / "renderers" / "pytorch3d_silhouettes.npz"
SEED = 5
SIGMAS_PX = (0.6, 1.5)
BODY_SIZE_PX = 72
LEFT_OUT = ("slivers and faces without area", "partly behind the camera")
"""PyTorch3D divides by the areas of the first's faces, and clips the second's at another depth."""


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


def silhouette(
    vertices: Tensor, faces: Tensor, camera: Camera, settings: RenderSettings, faces_per_pixel: int
) -> Tensor:
    """(H, W) alpha of one mesh.

    Raises:
        RuntimeError: if a pixel has more faces than were kept.
    """
    height, width = camera.height, camera.width
    pixels_per_unit = min(height, width) / 2
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
            blur_radius=(settings.softras_radius_px / pixels_per_unit) ** 2,
            faces_per_pixel=faces_per_pixel,
            bin_size=0,
            perspective_correct=False,
            clip_barycentric_coords=True,
        ),
    )
    fragments = rasterizer(Meshes(verts=list(vertices * vertices.new_tensor([-1.0, -1.0, 1.0])), faces=[faces]))
    if (fragments.pix_to_face[..., -1] >= 0).any():
        raise RuntimeError(f"{faces_per_pixel} faces per pixel are too few: some were left out")
    shader = SoftSilhouetteShader(BlendParams(sigma=(settings.sigma_px / pixels_per_unit) ** 2))
    return shader(fragments, None)[0, ..., 3]


def main() -> None:
    generator = torch.Generator().manual_seed(SEED)
    scenes = {name: scene(name) for name in MESHES if name not in LEFT_OUT}
    cases = [(name, one.vertices.float(), one.faces, one.camera, 150) for name, one in scenes.items()]
    cases.append(("the open body", *posed_body(), 5000))
    arrays: dict[str, np.ndarray] = {
        "about": np.array(
            f"PyTorch3D {pytorch3d.__version__}, torch {torch.__version__}, CPU, float32; SoftSilhouetteShader, "
            f"clip_barycentric_coords=True, bin_size=0; weights by torch.randn, seed {SEED}; "
            "scripts/make_pytorch3d_fixtures.py"
        )
    }
    for name, vertices, faces, camera, faces_per_pixel in cases:
        arrays[f"{name}/vertices"] = vertices[0].detach().numpy()
        arrays[f"{name}/faces"] = faces.numpy().astype(np.int32)
        arrays[f"{name}/K"] = camera.K[0].numpy()
        for sigma_px in SIGMAS_PX:
            leaf = vertices.detach().clone().requires_grad_()
            settings = RenderSettings(silhouette="softras", sigma_px=sigma_px)
            alpha = silhouette(leaf, faces, camera, settings, faces_per_pixel)
            weight = torch.randn(alpha.shape, generator=generator)
            (gradient,) = torch.autograd.grad((weight * alpha).sum(), leaf)
            prefix = f"{name}/sigma {sigma_px}"
            arrays |= {f"{prefix}/alpha": alpha.detach().numpy(), f"{prefix}/weight": weight.numpy()}
            arrays[f"{prefix}/gradient"] = gradient[0].numpy()
    np.savez_compressed(OUTPUT, **arrays)  # pyright: ignore[reportArgumentType]
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1000:.0f} kB, {len(cases)} scenes")


if __name__ == "__main__":
    main()
