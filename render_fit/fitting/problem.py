"""Minimisation over θ, β, c and position: one objective on one image for many hypotheses, or on many images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.fitting.curvature import Whitened, hessian, picture_curvature, positive, whitening
from render_fit.fitting.solvers import Solution, Solver, moves_offsets
from render_fit.fitting.solvers.solution import Progress
from render_fit.fitting.variables import CURVED, SCALES, SKELETAL, Variables
from render_fit.losses.fit_state import FitState
from render_fit.losses.priors.vae import PoseVAE
from render_fit.losses.targets import FitTargets
from render_fit.losses.term import Objective
from render_fit.renderers.base import Renderer, RenderSettings


@dataclass(frozen=True)
class Problem:
    """An objective on one image, which B hypotheses share, or on B images with one hypothesis each.

    Attributes:
        body: Body model M.
        targets: z(I) in the crop, or in B crops.
        objective: Weighted terms.
        renderer: Renderer R; needed by terms that compare pixels.
        settings: Softness of renderings.
        clothing_basis: Basis of smooth offsets, or None without clothing.
        pose_vae: Autoencoder of the variable ``latent``; needed if it is free.
        parts: The problems that this one joins, each with its number of hypotheses; empty if it joins none.
    """

    body: Body
    targets: FitTargets
    objective: Objective
    renderer: Renderer | None = None
    settings: RenderSettings | None = None
    clothing_basis: ClothingBasis | None = None
    pose_vae: PoseVAE | None = None
    parts: tuple[tuple[Problem, int], ...] = ()

    def __repr__(self) -> str:
        camera = self.targets.camera
        renderer = getattr(self.renderer, "name", None)
        crop = f"{camera.height} × {camera.width} px"
        return f"Problem({self.objective!r}, body={self.body.name!r}, renderer={renderer!r}, crop={crop})"

    def state(self, variables: Variables) -> FitState:
        """State of the fit at these variables, as terms are called with it."""
        return FitState(
            self.body,
            variables.parameters(self.body, self.clothing_basis),
            self.targets,
            self.renderer,
            self.settings,
            pose_rotvec=variables.pose_rotvec,
            clothing=variables.clothing,
            latent=variables.latent,
            free_offsets=variables.offsets,
            focal_ratio=variables.focal_ratio,
        )

    def loss(self, variables: Variables) -> Float[Tensor, "b"]:
        """The objective's value, (B,)."""
        return self.objective(self.state(variables))

    def minimise(
        self,
        start: Variables,
        free: Sequence[str],
        solver: Solver,
        iterations: int,
        tolerance: float = 1e-4,
        whiten: float = 10.0,
        progress: Progress | None = None,
    ) -> tuple[Variables, Solution]:
        """Minimises the objective over the ``free`` variables.

        Args:
            start: B hypotheses, solved independently.
            free: Names of the variables that move.
            solver: Solver.
            iterations: Evaluations of function and gradient, at most.
            tolerance: See ``Solver``.
            whiten: Curvature added in every direction (nats per squared scale) to that measured at the start, before
                the variables are whitened by it; 0: no whitening. Not used with solvers that need curvature.
            progress: Called with (done, all) evaluations.

        Returns:
            The best iterates and the solver's solution. Measuring curvature costs about two evaluations, which are not
            counted.

        Raises:
            ValueError: if a solver that needs curvature is to move variables without one (free offsets), or ``latent``
                is free and there is no autoencoder.
        """
        start = start.recentred()
        if "latent" in free:
            if self.pose_vae is None:
                raise ValueError("free: 'latent' needs an autoencoder; this problem has no pose_vae")
            start = start.encoded(self.pose_vae)
        # Variables of known curvature first: they are the columns that get whitened.
        moving = start.free(sorted(free, key=lambda name: (name not in SKELETAL, name not in CURVED)))
        curved = tuple(name for name in moving if name in CURVED)
        second_order = not moves_offsets(solver)
        worn, dressed = self._dressed(start, free)
        W = None
        if whiten > 0 and curved and not second_order:
            W = whitening(worn._curvature(dressed, curved), whiten)
        whitened = Whitened(moving, SCALES, W)
        last: list[FitState] = []

        def function(values: Mapping[str, Tensor]) -> Tensor:
            last[:] = [worn.state(dressed.with_values(whitened.unpack(values["y"])))]
            return self.objective(last[0])

        def curvature(values: Mapping[str, Tensor]) -> Tensor:
            return worn.curvature(dressed.with_values(whitened.unpack(values["y"])), curved, last[0])

        if second_order and len(curved) < len(moving):
            raise ValueError(f"free: this solver needs curvature; it moves only {', '.join(CURVED)}")
        given: dict[str, Any] = {"curvature": curvature} if second_order else {}
        y = {"y": whitened.origin}
        solution = solver(function, y, {}, iterations, tolerance, progress, **given)
        return start.with_values(whitened.unpack(solution.values["y"])).recentred(), solution

    @property
    def layout(self) -> tuple[object, ...]:
        """Equal for problems of one stage that can be `joined`."""
        weights = tuple((name, weighted.weight) for name, weighted in self.objective.terms.items())
        return (weights, id(self.body), self.clothing_basis is None, self.targets.layout)

    @staticmethod
    def joined(problems: Sequence[Problem], counts: Sequence[int]) -> Problem:
        """One problem for the hypotheses of several people, one person's after another's.

        Args:
            problems: Problems of one image each, of equal `layout`.
            counts: Number of hypotheses of each.
        """
        if len(problems) == 1:
            return problems[0]
        targets = FitTargets.repeated([problem.targets for problem in problems], counts)
        return replace(problems[0], targets=targets, parts=tuple(zip(problems, counts, strict=True)))

    def _dressed(self, start: Variables, free: Sequence[str]) -> tuple[Problem, Variables]:
        """The same problem with clothing that does not move as offsets, which are computed once."""
        if self.clothing_basis is None or {"clothing", "offsets"} & set(free):
            return self, start
        offsets = start.detached().parameters(self.body, self.clothing_basis).offsets
        return replace(self, clothing_basis=None), replace(start, offsets=offsets)

    def curvature(
        self, variables: Variables, free: Sequence[str], state: FitState | None = None
    ) -> Float[Tensor, "b d d"]:
        """Positive semidefinite curvature of the objective, as far as its terms have one.

        Skeletal terms: second derivatives, by differences. Silhouettes and parts: Gauss–Newton (``picture_curvature``).
        Clothing: ``clothing_curvature`` of its terms. Negative eigenvalues are replaced by their absolute values.

        Args:
            variables: Point at which the curvature is evaluated.
            free: Names among ``CURVED``, skeletal ones first.
            state: State of the fit at ``variables``, if it is rendered already.

        Returns:
            (B, D, D) for the variables side by side in the order of ``free``, in units of their scales; 0 where it is
            not finite.
        """
        return positive(self._curvature(variables, free, state))

    @torch.no_grad()
    def _curvature(
        self, variables: Variables, free: Sequence[str], state: FitState | None = None
    ) -> Float[Tensor, "b d d"]:
        """``curvature`` with negative eigenvalues as they are."""
        variables = variables.detached()
        if self.parts:  # person by person: one batch of all their points would not fit into a processor's cache
            parts, counts = zip(*self.parts, strict=True)
            alone = [replace(part, clothing_basis=self.clothing_basis) for part in parts]
            split = variables.split(counts)
            return torch.cat([part._curvature(own, free) for part, own in zip(alone, split, strict=True)])
        moving = variables.free(free)
        sizes = {name: value[0].numel() for name, value in moving.items()}
        skeletal = sum(size for name, size in sizes.items() if name in SKELETAL)
        if state is None:
            state = self.state(variables)
            self.objective.pictured()(state)

        def points(offsets: Tensor, vertices: Tensor, problem: int) -> Tensor:
            rows = torch.full((len(offsets),), problem)
            moved = Whitened({name: value[rows] for name, value in moving.items()}, SCALES, None).unpack(offsets)
            chosen = None if variables.offsets is None else variables.offsets[:, vertices]
            here = replace(variables, offsets=chosen)[rows].with_values(moved)
            basis = None if self.clothing_basis is None else self.clothing_basis.at(vertices)
            camera = self.targets.camera.expand(len(variables))[rows]
            if here.focal_ratio is not None:
                camera = camera.zoomed(here.focal_ratio)
            return camera.project(self.body.points(here.parameters(self.body, basis), vertices))

        result = picture_curvature(self.objective, state, points, sum(sizes.values()))
        if skeletal:
            result[:, :skeletal, :skeletal] += self._skeletal_curvature(variables, moving)
        if "clothing" in moving and self.clothing_basis is not None:
            directions = SCALES["clothing"] * self.clothing_basis.directions
            result[:, skeletal:, skeletal:] += self.objective.clothing_curvature(state, directions)
        finite = result.isfinite().all(dim=2).all(dim=1)[:, None, None]
        return torch.where(finite, result, 0.0)

    def _skeletal_curvature(self, start: Variables, moving: Mapping[str, Tensor]) -> Float[Tensor, "b d d"]:
        """Hessian of the skeletal terms at the start, in units of the variables' scales."""
        objective = self.objective.skeletal()
        undressed = replace(start, clothing=None, offsets=None)
        variables = {name: value for name, value in moving.items() if name in SKELETAL}
        size = sum(value[0].numel() for value in variables.values())

        def gradient(points: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
            rows = torch.arange(len(start)).repeat_interleave(len(points) // len(start))
            moved = undressed[rows]
            points = points.requires_grad_(True)
            unpack = Whitened({name: value[rows] for name, value in variables.items()}, SCALES, None).unpack
            targets = self.targets if len(self.targets) == 1 else self.targets[rows]
            with torch.enable_grad():
                # Without a renderer: a term that renders these many bodies would run out of memory.
                here = replace(self, objective=objective, targets=targets, renderer=None)
                loss = objective(here.state(moved.with_values(unpack(points)))).sum()
                return torch.autograd.grad(loss, points)[0] if loss.requires_grad else torch.zeros_like(points)

        return hessian(gradient, start.orient.new_zeros(len(start), size))

    @torch.no_grad()
    def breakdown(self, variables: Variables) -> dict[str, Float[Tensor, "b"]]:
        """Each term's weighted value."""
        return self.objective.breakdown(self.state(variables))
