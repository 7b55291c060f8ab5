"""Speed of the cpu renderer relative to PyTorch3D on the CPU: same meshes, same settings, same run.

    python -m benchmarks.against_pytorch3d [--size 256] [--sigma-ndc2 1e-4] [--faces-per-pixel 50] [--parts]
                                           [--json FILE]

Needs PyTorch3D; without it the program prints a message and succeeds. Times forward and backward passes of the open
body, rest pose and 20 posed, with the formula that both have (``softras``, and for ``--parts`` softmax over depth). The
two take turns; PyTorch3D takes seconds per image, so ``--runs`` is 1, and the cpu renderer runs several times in each
turn. Both are compared first where PyTorch3D leaves no face out, on a coarse mesh with 150 faces per pixel, and the
program fails if they differ. Their difference on the open body with ``--faces-per-pixel`` is printed as well:
PyTorch3D uses the nearest faces only, the cpu renderer uses all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.bodies import REST, VIEWS, Placed, placed
from benchmarks.drawing import Picture, draw, forward_and_backward, picture
from benchmarks.measure import Seconds, quotient, repeated, spread, take_turns
from benchmarks.meshes import body_mesh
from benchmarks.report import Report, arguments
from render_fit.core.errors import MissingDependencyError
from render_fit.renderers import CpuRenderer, PyTorch3DRenderer
from render_fit.renderers.base import Renderer

OURS, THEIRS = "cpu", "pytorch3d"

OUR_RUNS = 7
"""Repetitions in each turn, of which the median is used: after 20 s of PyTorch3D the caches are cold."""

CHECK_PX, CHECK_FACES = 96, 1_000

VALUE_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4
"""Tolerances as in tests/renderers/test_parity.py: PyTorch3D computes in float32."""


def difference(ours: Renderer, theirs: Renderer, one: Placed, what: Picture) -> tuple[float, float, float, float]:
    """Largest and mean difference of the values, relative length of the gradients' difference, and their cosine."""
    values, gradients = [], []
    for renderer in (ours, theirs):
        vertices = one.vertices.clone().requires_grad_()
        image = draw(renderer, vertices, one, one.camera, what)
        weight = torch.randn(len(image), generator=torch.Generator().manual_seed(0))
        values.append(image.detach())
        gradients.append(torch.autograd.grad(image @ weight, vertices)[0].flatten())
    off: Tensor = (values[0] - values[1]).abs()
    length = gradients[1].norm()
    cosine = float(gradients[0] @ gradients[1] / (gradients[0].norm() * length).clamp(min=1e-12))
    return float(off.max()), float(off.mean()), float((gradients[0] - gradients[1]).norm() / length), cosine


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=1)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sigma-ndc2", type=float, default=1e-4, help="PyTorch3D's sigma (NDC units, squared)")
    parser.add_argument("--faces-per-pixel", type=int, default=50)
    parser.add_argument("--parts", action="store_true", help="render 24 part maps besides the silhouette")
    parser.add_argument("--bodies", type=int, default=len(VIEWS), help="bodies to use, rest pose first (default all)")
    chosen = parser.parse_args(words)
    torch.set_num_threads(chosen.threads)
    report = Report("against_pytorch3d")
    names = {where: f"{THEIRS} ÷ {OURS}, {where}" for where in ("rest", "posed")}
    try:
        ours, theirs = CpuRenderer(), PyTorch3DRenderer(faces_per_pixel=chosen.faces_per_pixel)
        everything = PyTorch3DRenderer(faces_per_pixel=150)
    except MissingDependencyError as error:
        report.missing = dict.fromkeys(names.values(), str(error))
        report.finish(chosen.json)
        return 0
    coarse = placed(REST, CHECK_PX, body_mesh(CHECK_FACES))
    value, _, gradient, _ = difference(ours, everything, coarse, picture("softras", 0.6))
    if not (value <= VALUE_TOLERANCE and gradient <= GRADIENT_TOLERANCE):
        print(
            f"not timed: where PyTorch3D leaves nothing out, values differ by {value:.2g}, gradients by {gradient:.2g}"
        )
        return 1
    report.facts["checked"] = f"{CHECK_FACES} faces, {CHECK_PX}²: values within {value:.1g}, gradients {gradient:.1g}"
    sigma_px = chosen.sigma_ndc2**0.5 * chosen.size / 2
    what = picture("softras", sigma_px, chosen.parts, "softmax")
    bodies = [placed(view, chosen.size) for view in VIEWS[: chosen.bodies]]
    _, mean, gradient, cosine = difference(ours, theirs, bodies[0], what)
    report.facts[f"with {chosen.faces_per_pixel} faces per pixel, rest"] = (
        f"values differ by {mean:.2g} in the mean, gradients by {gradient:.2g} of their length, cosine {cosine:.4f}"
    )
    report.facts |= {"size, px": chosen.size, "σ, px": round(sigma_px, 3), "threads": chosen.threads}
    cases: dict[str, Callable[[], Seconds]] = {}
    for k, one in enumerate(bodies):
        cases[f"{OURS}|{k}"] = repeated(forward_and_backward(ours, [one], what), OUR_RUNS)
        cases[f"{THEIRS}|{k}"] = forward_and_backward(theirs, [one], what)
    times = take_turns(cases, chosen.runs, warm_up=0)  # both have rendered the first body above
    for where, posed in {"rest": False, "posed": True}.items():
        members = [k for k, one in enumerate(bodies) if (one.view is not REST) == posed]
        if not members:
            continue
        mine, other = (np.concatenate([times[f"{name}|{k}"].sum(1) for k in members]) for name in (OURS, THEIRS))
        report.figures[OURS, where] = spread(1000 * mine, "ms")
        report.figures[THEIRS, where] = spread(1000 * other, "ms")
        report.ratio(names[where], quotient(other, mine), better="higher")
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
