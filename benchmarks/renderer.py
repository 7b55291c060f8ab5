"""How long R takes, forward and backward, per image: silhouettes, part maps and hard outputs of the open body.

    python benchmarks/renderer.py [--size 224] [--threads 2] [--runs 15] [--batches 1 8]

Medians and spread (quartiles) of several runs after two that warm up. Milliseconds per image.
"""

import argparse
import platform
import statistics
import time

import numba
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.cameras import camera_from_focal
from render_fit.renderers import RenderSettings, renderer_named

CASES = (
    ("contour", 1.0, ("silhouette",)),
    ("contour", 2.0, ("silhouette",)),
    ("contour", 8.0, ("silhouette",)),
    ("softras", 1.0, ("silhouette",)),
    ("softras", 2.0, ("silhouette",)),
    ("contour", 1.0, ("silhouette", "parts")),
    ("contour", 2.0, ("silhouette", "parts")),
    ("softras", 1.0, ("silhouette", "parts")),
    ("contour, softmax", 1.0, ("silhouette", "parts")),
    ("contour", 1.0, ("depth",)),
    ("contour", 1.0, ("normals",)),
)


def standing(batch: int, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vertices in front of a camera with a focal length of 1.3 image sizes: the body fills 60 % of the height."""
    body = open_body()
    pose = torch.zeros(batch, 24, 3)
    pose[:, 0, 0] = torch.pi
    pose[:, 16, 2], pose[:, 17, 2], pose[:, 18, 1] = -1.0, 0.9, -1.2
    pose[:, 1:] += 0.05 * torch.randn(batch, 23, 3)
    parameters = BodyParameters.from_rotvec(pose, torch.zeros(batch, body.n_betas), torch.zeros(batch, 3))
    vertices = body(parameters).vertices.detach()
    vertices = vertices - vertices.mean(1, keepdim=True) + torch.tensor([0.0, 0.0, 3.8])
    return vertices, body.faces, body.face_parts


def milliseconds(seconds: list[float], batch: int) -> str:
    low, middle, high = statistics.quantiles([1000 * s / batch for s in seconds], n=4)
    return f"{middle:7.2f} ({low:.2f}–{high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renderer", default="cpu")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    renderer = renderer_named(arguments.renderer)
    print(f"{renderer.name}, {arguments.size}², {arguments.threads} threads, torch {torch.__version__}, ", end="")
    print(f"numba {numba.__version__}, {platform.processor() or platform.machine()}; ms per image")
    print(f"{'batch':>5} {'silhouette':16} {'σ px':>5} {'outputs':17} {'forward':>22} {'backward':>22}")
    for batch in arguments.batches:
        vertices, faces, parts = standing(batch, arguments.size)
        vertices.requires_grad_()
        camera = camera_from_focal(1.3 * arguments.size, arguments.size, arguments.size)
        for silhouette, sigma_px, outputs in CASES:
            kind, _, borders = silhouette.partition(", ")
            settings = RenderSettings(silhouette=kind, sigma_px=sigma_px, part_borders=borders or "contour")
            forward, backward = [], []
            for run in range(arguments.runs + 2):
                begin = time.perf_counter()
                drawn = renderer(vertices, faces, camera, settings, face_parts=parts, outputs=outputs)
                middle = time.perf_counter()
                images = [getattr(drawn, name) for name in outputs]
                slopes = [torch.ones_like(image) for image in images]
                ready = time.perf_counter()
                torch.autograd.grad(images, vertices, slopes)
                end = time.perf_counter()
                if run >= 2:
                    forward.append(middle - begin)
                    backward.append(end - ready)
            print(
                f"{batch:5d} {silhouette:16} {sigma_px:5.1f} {'+'.join(outputs):17} "
                f"{milliseconds(forward, batch):>22} {milliseconds(backward, batch):>22}",
                flush=True,
            )


if __name__ == "__main__":
    main()
