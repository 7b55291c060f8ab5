"""How many times as fast as PyTorch3D's CPU path the cpu renderer is: same mesh, same settings, same run.

    python benchmarks/against_pytorch3d.py [--size 256] [--sigma-ndc2 1e-4] [--faces-per-pixel 50] [--parts] [--runs 15]

Needs PyTorch3D. Forward and backward of the open body, standing, with the formula that both draw (``softras``, and
for ``--parts`` softmax over depth). Medians; PyTorch3D is slow, so it runs ``--their-runs`` times. The gradients of
both are compared in the same run: PyTorch3D keeps ``--faces-per-pixel`` faces at a pixel, ours keeps all.
"""

import argparse
import statistics
import time

import torch
from renderer import standing

from render_fit.cameras import camera_from_focal
from render_fit.errors import MissingDependencyError
from render_fit.renderers import CpuRenderer, PyTorch3DRenderer, RenderSettings
from render_fit.renderers.base import Renderer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sigma-ndc2", type=float, default=1e-4, help="PyTorch3D's sigma: squared, 2 units across")
    parser.add_argument("--faces-per-pixel", type=int, default=50)
    parser.add_argument("--parts", action="store_true", help="24 part maps besides the silhouette")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--their-runs", type=int, default=3)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    size = arguments.size
    vertices, faces, parts = standing(1, size)
    vertices.requires_grad_()
    camera = camera_from_focal(1.3 * size, size, size)
    sigma_px = arguments.sigma_ndc2**0.5 * size / 2
    settings = RenderSettings(silhouette="softras", sigma_px=sigma_px, part_borders="softmax")
    outputs = ("silhouette", "parts") if arguments.parts else ("silhouette",)

    def seconds(renderer: Renderer) -> tuple[float, torch.Tensor, torch.Tensor]:
        begin = time.perf_counter()
        drawn = renderer(vertices, faces, camera, settings, face_parts=parts, outputs=outputs)
        images = torch.cat([getattr(drawn, name).flatten() for name in outputs])
        (gradient,) = torch.autograd.grad(images @ weight[: len(images)], vertices)
        return time.perf_counter() - begin, images.detach(), gradient.flatten()

    weight = torch.randn(25 * size * size)
    try:
        ours, theirs = CpuRenderer(), PyTorch3DRenderer(faces_per_pixel=arguments.faces_per_pixel)
    except MissingDependencyError as error:
        print(f"not compared: {error}")
        return
    for _ in range(2):
        seconds(ours)
    our_times, our_image, our_gradient = zip(*(seconds(ours) for _ in range(arguments.runs)), strict=True)
    their_times, their_image, their_gradient = zip(*(seconds(theirs) for _ in range(arguments.their_runs)), strict=True)
    mine, other = statistics.median(our_times), statistics.median(their_times)
    off = (our_image[0] - their_image[0]).abs()
    cosine = torch.nn.functional.cosine_similarity(our_gradient[0], their_gradient[0], dim=0)
    print(f"{len(faces)} faces, {size}², sigma {arguments.sigma_ndc2:g} ({sigma_px:.2f} px), {' + '.join(outputs)}")
    print(f"cpu {1000 * mine:.1f} ms, pytorch3d {1000 * other:.0f} ms, forward and backward: {other / mine:.0f} times")
    print(
        f"values differ by {off.max():.2g} at most, {off.mean():.2g} in the mean; cosine of the gradients {cosine:.4f}"
    )


if __name__ == "__main__":
    main()
