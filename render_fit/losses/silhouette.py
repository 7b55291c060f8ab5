"""Distances between the rendered silhouette and the mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.renderers.image_jacobian import Motion


@dataclass(frozen=True)
class SilhouetteIoU:
    """1 − soft intersection over union on valid pixels, in [0, 1].

    With a blurred edge its optimum lies slightly outside the true outline (intersection and union are products,
    so blur alone lowers the ratio, and a larger body raises it again): good from afar, not for the last stage.

    Differentiability: smooth in the silhouette.
    Source: Kato et al., Neural 3D Mesh Renderer, CVPR 2018, eq. 9.
    """

    def __call__(self, scene: FitState) -> Float[Tensor, "b"]:
        silhouette, mask = scene.render("silhouette"), scene.targets.seen_mask
        valid = scene.targets.valid_float
        product = silhouette * mask
        intersection = (valid * product).sum(dim=(1, 2))
        union = (valid * (silhouette + mask - product)).sum(dim=(1, 2))
        return 1 - intersection / union.clamp(min=1.0)


@dataclass(frozen=True)
class SilhouetteL2:
    """Squared difference on valid pixels, as a fraction of the mask's area.

    Its optimum is the true outline whatever the blur, as long as the silhouette's edge is symmetric (the
    ``contour`` silhouette's is, SoftRas's is not).

    Args:
        noise: How far a good mask and a good fit usually differ, as such a fraction; 0: as given, for every mask. A
            mask's noise is not known beforehand: a drawn one of a bare body is exact, a coat's is far from the body.
            With ``noise`` it is estimated along: where body and mask agree, what is left counts in full, and the more
            they disagree the less.

    Returns:
        (B,) e = Σ difference² / Σ mask; with ``noise`` n, n log(1 + e / n), which is e for e ≪ n.

    Differentiability: smooth in the silhouette.
    Source: a normal likelihood with its variance integrated out under an inverse-gamma prior gives the logarithm
        (Gelman et al., Bayesian Data Analysis, 3rd ed., sec. 3.3).
    """

    noise: float = 0.0

    def __call__(self, scene: FitState) -> Float[Tensor, "b"]:
        error = self._error(scene)
        return error if self.noise == 0 else self.noise * torch.log1p(error / self.noise)

    @staticmethod
    def _error(scene: FitState) -> Float[Tensor, "b"]:
        difference = scene.render("silhouette") - scene.targets.seen_mask
        return (scene.targets.valid_float * difference.square()).sum(dim=(1, 2)) / scene.targets.mask_area

    def picture_curvature(self, scene: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Second derivative along each row; the logarithm's own bend, which couples all pixels, is left out (IRLS)."""
        targets = scene.targets
        weight = 2 / targets.mask_area
        if self.noise > 0:
            weight = weight / (1 + self._error(scene) / self.noise)
        weight = weight.expand(len(scene.parameters))[motion.image] * motion.values(targets.valid_float)
        change = motion.silhouette
        difference = motion.values(scene.render("silhouette")) - motion.beside(targets.seen_mask)
        return weight * motion.curvature(change * difference, change.square())


@dataclass(frozen=True)
class SilhouetteDistance:
    """Two-sided distance transform: pulls even where silhouette and mask do not overlap.

    One side weighs every rendered pixel by its distance to the mask; the other brings to every point of the mask's
    outline the nearest projected vertex. Either alone collapses: the first is zero for a vanishing body, the second
    for a body that covers the image.

    Args:
        cap: Distance beyond which pixels stop pulling harder, in person sizes.
        vertex_stride: Every how many-th vertex stands for the body in the second side.

    Returns:
        (B,) mean distance of both sides in person sizes.

    Differentiability: piecewise smooth; the nearest vertex is held fixed in the backward pass.
    Source: the two sides of Bogo et al.'s and Lassner et al.'s (CVPR 2017, eq. 5) silhouette terms.
    """

    cap: float = 0.5
    vertex_stride: int = 8

    def __call__(self, scene: FitState) -> Float[Tensor, "b"]:
        targets = scene.targets
        size = targets.person_size_px
        silhouette = scene.render("silhouette") * targets.valid_float
        distance = (targets.distance_to_mask_px / size[:, None, None]).clamp(max=self.cap)
        outside = (silhouette * distance).sum(dim=(1, 2)) / targets.mask_area

        cameras = targets.camera.expand(len(scene.parameters))
        vertices_px = cameras.project(scene.output.vertices[:, :: self.vertex_stride])
        uncovered = []
        for i in range(len(scene.parameters)):
            outline = targets.mask_outline_px[i if len(targets.mask_outline_px) > 1 else 0]
            if len(outline) == 0:
                uncovered.append(vertices_px[i].sum() * 0)
                continue
            with torch.no_grad():
                half_square = 0.5 * vertices_px[i].square().sum(dim=-1)
                nearest = torch.addmm(-half_square, outline, vertices_px[i].mT).argmax(dim=1)
            gap = (vertices_px[i][nearest] - outline).square().sum(dim=-1)
            uncovered.append((gap + 1e-6).sqrt().mean())
        return outside + torch.stack(uncovered) / size
