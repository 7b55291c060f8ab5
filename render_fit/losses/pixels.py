"""Terms on pixels: the rendered silhouette against the mask, rendered parts against a part map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.losses.fit_state import FitState
from render_fit.losses.targets import FitTargets
from render_fit.renderers.image_jacobian import Motion


@dataclass(frozen=True)
class SilhouetteIoU:
    """1 − soft intersection over union on valid pixels, in [0, 1].

    With a blurred edge its optimum lies slightly outside the true outline: intersection and union are products, so blur
    alone lowers the ratio, and a larger body raises it again. It suits early stages, not the last one.

    Differentiability: smooth in the silhouette.
    Source: Kato et al., Neural 3D Mesh Renderer, CVPR 2018, eq. 9.
    """

    requires: ClassVar[tuple[str, ...]] = ("mask",)

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        silhouette, mask = state.render("silhouette"), state.targets.seen_mask
        valid = state.targets.valid_float
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
        noise: Usual difference between a good mask and a good fit, as such a fraction; 0: no robust weighting. The
            noise of a mask is not known beforehand: that of an unclothed synthetic body is exact, that of a coat is far
            from the body. With ``noise`` it is estimated jointly: the larger the difference, the smaller its weight.

    Returns:
        (B,) e = Σ difference² / Σ mask; with ``noise`` n, n log(1 + e / n), which is e for e ≪ n.

    Differentiability: smooth in the silhouette.
    Source: a normal likelihood with its variance integrated out under an inverse-gamma prior gives the logarithm
        (Gelman et al., Bayesian Data Analysis, 3rd ed., sec. 3.3).
    """

    requires: ClassVar[tuple[str, ...]] = ("mask",)

    noise: float = 0.0

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        error = self._error(state)
        return error if self.noise == 0 else self.noise * torch.log1p(error / self.noise)

    @staticmethod
    def _error(state: FitState) -> Float[Tensor, "b"]:
        difference = state.render("silhouette") - state.targets.seen_mask
        return (state.targets.valid_float * difference.square()).sum(dim=(1, 2)) / state.targets.mask_area

    def picture_curvature(self, state: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Second derivative along each row; that of the logarithm, which couples all pixels, is omitted (IRLS)."""
        targets = state.targets
        weight = 2 / targets.mask_area
        if self.noise > 0:
            weight = weight / (1 + self._error(state) / self.noise)
        weight = weight.expand(len(state.parameters))[motion.image] * motion.values(targets.valid_float)
        change = motion.silhouette
        difference = motion.values(state.render("silhouette")) - motion.beside(targets.seen_mask)
        return weight * motion.curvature(change * difference, change.square())


@dataclass(frozen=True)
class SilhouetteDistance:
    """Two-sided distance transform: it has a gradient even where silhouette and mask do not overlap.

    One side weights every rendered pixel by its distance to the mask. The other is the distance of every point of the
    mask's outline to the nearest projected vertex. Either alone is degenerate: the first is zero for a vanishing body,
    the second for a body that covers the image.

    Args:
        cap: Distance at which the weight of pixels is capped, in person sizes.
        vertex_stride: Stride by which vertices are subsampled in the second side.

    Returns:
        (B,) mean distance of both sides in person sizes.

    Differentiability: piecewise smooth; the nearest vertex is held fixed in the backward pass.
    Source: the two sides of Bogo et al.'s and Lassner et al.'s (CVPR 2017, eq. 5) silhouette terms.
    """

    requires: ClassVar[tuple[str, ...]] = ("mask",)

    cap: float = 0.5
    vertex_stride: int = 8

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        targets = state.targets
        size = targets.person_size_px
        silhouette = state.render("silhouette") * targets.valid_float
        distance = (targets.distance_to_mask_px / size[:, None, None]).clamp(max=self.cap)
        outside = (silhouette * distance).sum(dim=(1, 2)) / targets.mask_area

        vertices_px = state.camera.project(state.output.vertices[:, :: self.vertex_stride])
        uncovered = []
        for i in range(len(state.parameters)):
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


@dataclass(frozen=True)
class PartLikelihood:
    """Mean negative log-likelihood of the observed labels per pixel of the person.

    The renderer gives P(part) for SMPL's 24 parts and the background; the label space's emission matrix E says how
    often a part bears each label (a skirt covers thighs and background), so P(label) = Σ P(part) E(part, label).
    The outlier floor in E bounds what one wrong pixel can cost.

    Returns:
        (B,) nats per labelled person pixel, summed over valid pixels.

    Differentiability: smooth in the rendered probabilities.
    """

    requires: ClassVar[tuple[str, ...]] = ("labels",)

    def __call__(self, state: FitState) -> Float[Tensor, "b"]:
        evidence, weights = state.targets.label_evidence, self._pixel_weights(state.targets)
        return label_nats(state, evidence, weights)

    def picture_curvature(self, state: FitState, motion: Motion) -> Float[Tensor, "n"]:
        """Second derivative along each row."""
        weights = self._pixel_weights(state.targets)
        return label_curvature(state, motion, state.targets.known_part_space.emission, weights)

    @staticmethod
    def _pixel_weights(targets: FitTargets) -> Float[Tensor, "n h w"]:
        return targets.valid_float / targets.labelled_area[:, None, None]


def label_nats(
    state: FitState,
    evidence: tuple[Float[Tensor, "n 24 h w"], Float[Tensor, "n h w"]],
    weights: Float[Tensor, "#b h w"],
) -> Float[Tensor, "b"]:
    """Negative log-likelihood of a label map under the rendered parts.

    Args:
        state: State of the fit, whose parts are rendered.
        evidence: Likelihood of each pixel's label under each part minus that under background, and that under
            background (`FitTargets.label_evidence`).
        weights: Weight of each pixel.

    Returns:
        (B,) weighted sum over pixels, nats.

    Differentiability: smooth in the rendered probabilities.
    """
    parts_rather, background = evidence
    # Σ P(part) E(part, label) over parts and background, whose probability is what the parts leave.
    likelihood = ((state.render("parts") * parts_rather).sum(dim=1) + background).clamp(min=1e-6)
    return -(weights * likelihood.log()).sum(dim=(1, 2))


def label_curvature(
    state: FitState, motion: Motion, emission: Float[Tensor, "25 l"], weights: Float[Tensor, "#b h w"]
) -> Float[Tensor, "n"]:
    """Second derivative of `label_nats` along each row of a motion.

    Args:
        state: State of the fit, whose parts are rendered.
        motion: Jacobian of the renderings.
        emission: P(label | part) for the 24 parts and background.
        weights: Weight of each pixel.

    Returns:
        (N,) second derivative along each row; 0 without a label map or rendered parts.
    """
    if state.targets.labels is None or motion.parts is None:
        return torch.zeros_like(motion.silhouette)
    emission = emission.to(motion.parts)
    parts = state.render("parts").flatten(2).movedim(1, 2)[motion.image, motion.pixel]
    shown = torch.cat([parts, (1 - parts.sum(dim=1, keepdim=True)).clamp(min=0)], dim=1) @ emission
    change = torch.cat([motion.parts, -motion.parts.sum(dim=1, keepdim=True)], dim=1) @ emission
    relative = (change / shown.clamp(min=1e-6)).mT  # (L, N): of the probability of every label
    here = relative.gather(0, motion.values(state.targets.labels)[None])[0]
    pulls = -relative.gather(0, motion.beside(state.targets.labels))
    return motion.values(weights) * motion.curvature(pulls, here.square())
