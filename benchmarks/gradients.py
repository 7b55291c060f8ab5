"""Correctness check before timing: values and gradients against ``reference``, float64, on small images."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from benchmarks.bodies import REST, VIEWS, View, placed
from benchmarks.drawing import Picture, draw
from benchmarks.meshes import body_mesh
from render_fit.renderers import Renderer
from render_fit.renderers.reference import ReferenceRenderer

SIZE, N_FACES = 48, 400
"""Image side (pixels) and number of faces feasible for ``reference``, which tests all pairs of edges."""

CHECKED = (REST, *(view for view in VIEWS if view.name in (
    "arms crossed low", "walking", "striding", "arms forward, spine3", "standing, head",
)))  # fmt: skip
"""Bodies of each kind, one beyond the near plane. Without those with intersecting limbs (sitting, squatting, curled
up): ``contour`` part maps have no border there (docs/rendering.md), and the coarse mesh makes it worse."""

VALUE_TOLERANCE = 1e-5
"""Largest difference of a value in [0, 1]."""

GRADIENT_TOLERANCE = 1e-4
"""Largest norm of the difference of two gradients, relative to the norm of the gradient."""


class WrongGradient(RuntimeError):
    """The renderer to be timed differs from the reference."""


def check_gradients(renderer: Renderer, pictures: Sequence[Picture], views: Sequence[View] | None = None) -> str:
    """Compare values and vertex gradients (of a sum with random weights) with the reference on coarse bodies.

    Args:
        renderer: Renderer to be timed.
        pictures: Settings and outputs to be timed.
        views: Views of the bodies, with ``N_FACES`` faces at ``SIZE``²; ``CHECKED`` if None.

    Returns:
        Sentence with the largest differences.

    Raises:
        WrongGradient: if a difference exceeds the tolerances.
    """
    views = CHECKED if views is None else views
    generator = torch.Generator().manual_seed(1)
    mesh = body_mesh(N_FACES)
    worst_value = worst_gradient = 0.0
    for view in views:
        one = placed(view, SIZE, mesh)
        vertices = one.vertices.double().requires_grad_()
        camera = one.camera.to(torch.float64)
        for what in pictures:
            images, gradients = [], []
            for backend in (renderer, ReferenceRenderer()):
                image = draw(backend, vertices, one, camera, what)
                weight = torch.randn(len(image), generator=generator.manual_seed(1), dtype=torch.float64)
                images.append(image.detach())
                gradients.append(torch.autograd.grad(image @ weight, vertices)[0])
            value = float((images[0] - images[1]).abs().max())
            length = float(gradients[1].norm())
            gradient = float((gradients[0] - gradients[1]).norm()) / max(length, 1e-12)
            if not (value <= VALUE_TOLERANCE and gradient <= GRADIENT_TOLERANCE):
                raise WrongGradient(
                    f"{renderer.name}, {what.name}, {view.kind}: {view.name}: not timed, because its values differ by "
                    f"{value:.2g} (at most {VALUE_TOLERANCE:g}) and its gradient by {gradient:.2g} of its length (at "
                    f"most {GRADIENT_TOLERANCE:g}), compared with the reference renderer at {SIZE}²"
                )
            worst_value, worst_gradient = max(worst_value, value), max(worst_gradient, gradient)
    return (
        f"{len(views)} bodies × {len(pictures)} settings at {SIZE}², {len(mesh.faces)} faces, against the reference "
        f"renderer: values within {worst_value:.1g}, gradients within {worst_gradient:.1g} of their length"
    )
