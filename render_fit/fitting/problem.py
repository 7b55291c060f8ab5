"""argmin over θ, β, c and the body's place: one objective on one image for many hypotheses, or on many images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.fitting.curvature import Whitened, hessian, positive, whitening
from render_fit.fitting.gauss_newton import picture_curvature
from render_fit.fitting.solvers import SecondOrderSolver, Solution, Solver
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
        body: M.
        targets: z(I) in the crop, or in B crops.
        objective: Weighted terms.
        renderer: R.
        settings: The silhouette's edge.
        clothing_basis: Smooth offsets, if clothing is in play.
        pose_vae: In whose latent vectors the variable ``latent`` moves, if it does.
    """

    body: Body
    targets: FitTargets
    objective: Objective
    renderer: Renderer | None = None
    settings: RenderSettings | None = None
    clothing_basis: ClothingBasis | None = None
    pose_vae: PoseVAE | None = None

    def scene(self, variables: Variables) -> FitState:
        """The variables beside what was observed."""
        return FitState(
            self.body,
            variables.parameters(self.body, self.clothing_basis),
            self.targets,
            self.renderer,
            self.settings,
            pose_rotvec=variables.pose_rotvec,
            clothing=variables.clothing,
            latent=variables.latent,
        )

    def loss(self, variables: Variables) -> Float[Tensor, "b"]:
        """The objective's value, (B,)."""
        return self.objective(self.scene(variables))

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
        """Move the ``free`` variables.

        Args:
            start: B hypotheses, solved independently.
            free: Names of the variables that move.
            solver: How.
            iterations: Evaluations at the most.
            tolerance: See ``Solver``.
            whiten: Take the curvature of the start out beforehand, with this much added in every direction for what
                bends on the way (nats per squared scale); 0: leave the variables as they are. Solvers that ask
                for curvature themselves get the variables as they are.
            progress: Called with (done, all) evaluations.

        Returns:
            The best iterates and the solver's account of them. What it takes to measure curvature is not among the
            evaluations; it costs about two.

        Raises:
            ValueError: if a solver that needs curvature is to move variables without one (free offsets), or ``latent``
                is free and there is no autoencoder.
        """
        start = start.recentred()
        if "latent" in free:
            if self.pose_vae is None:
                raise ValueError("free: 'latent' moves in the latent vectors of an autoencoder; this problem has none")
            start = start.encoded(self.pose_vae)
        # Variables of known curvature first: they are the columns that get whitened.
        moving = start.free(sorted(free, key=lambda name: (name not in SKELETAL, name not in CURVED)))
        curved = tuple(name for name in moving if name in CURVED)
        second_order = isinstance(solver, SecondOrderSolver)
        W = None
        if whiten > 0 and curved and not second_order:
            W = whitening(self._curvature(start, curved), whiten)
        whitened = Whitened(moving, SCALES, W)
        last: list[FitState] = []

        def function(values: Mapping[str, Tensor]) -> Tensor:
            last[:] = [self.scene(start.with_values(whitened.unpack(values["y"])))]
            return self.objective(last[0])

        def curvature(values: Mapping[str, Tensor]) -> Tensor:
            return self.curvature(start.with_values(whitened.unpack(values["y"])), curved, last[0])

        y = {"y": whitened.origin}
        if second_order:
            if len(curved) < len(moving):
                raise ValueError(f"free: this solver needs curvature; it moves only {', '.join(CURVED)}")
            solution = solver(function, y, {}, iterations, tolerance, progress, curvature=curvature)
        else:
            solution = solver(function, y, {}, iterations, tolerance, progress)
        return start.with_values(whitened.unpack(solution.values["y"])).recentred(), solution

    def curvature(self, state: Variables, free: Sequence[str], scene: FitState | None = None) -> Float[Tensor, "b d d"]:
        """Positive semidefinite curvature of the objective, as far as its terms know theirs.

        Keypoints, bones and priors: second derivatives, by differences. Silhouettes and parts: what
        ``gauss_newton`` makes of their pixels. Clothing: what its terms say. Directions that bend down count by size.

        Args:
            state: Where.
            free: Variables among ``CURVED``, skeletal ones first.
            scene: The state's, if its pictures are drawn already.

        Returns:
            (B, D, D) for the variables side by side in the order of ``free``, in units of their scales; 0 where it is
            not finite.
        """
        return positive(self._curvature(state, free, scene))

    @torch.no_grad()
    def _curvature(
        self, state: Variables, free: Sequence[str], scene: FitState | None = None
    ) -> Float[Tensor, "b d d"]:
        """``curvature`` with the directions that bend down as they are."""
        state = state.detached()
        moving = state.free(free)
        sizes = {name: value[0].numel() for name, value in moving.items()}
        skeletal = sum(size for name, size in sizes.items() if name in SKELETAL)
        if scene is None:
            scene = self.scene(state)
            self.objective.pictured()(scene)

        def points(offsets: Tensor, vertices: Tensor, problem: int) -> Tensor:
            rows = torch.full((len(offsets),), problem)
            moved = Whitened({name: value[rows] for name, value in moving.items()}, SCALES, None).unpack(offsets)
            here = state[rows].with_values(moved)
            if here.offsets is not None:
                here = replace(here, offsets=here.offsets[:, vertices])
            basis = None if self.clothing_basis is None else self.clothing_basis.at(vertices)
            camera = self.targets.camera.expand(len(state))[rows]
            return camera.project(self.body.points(here.parameters(self.body, basis), vertices))

        result = picture_curvature(self.objective, scene, points, sum(sizes.values()))
        if skeletal:
            result[:, :skeletal, :skeletal] += self._skeletal_curvature(state, moving)
        if "clothing" in moving and self.clothing_basis is not None:
            directions = SCALES["clothing"] * self.clothing_basis.directions
            result[:, skeletal:, skeletal:] += self.objective.clothing_curvature(scene, directions)
        finite = result.isfinite().all(dim=2).all(dim=1)[:, None, None]
        return torch.where(finite, result, 0.0)

    def _skeletal_curvature(self, start: Variables, moving: Mapping[str, Tensor]) -> Float[Tensor, "b d d"]:
        """Curvature of the skeletal terms at the start, in units of the variables' scales."""
        objective = self.objective.skeletal()
        undressed = replace(start, clothing=None, offsets=None)
        variables = {name: value for name, value in moving.items() if name in SKELETAL}
        size = sum(value[0].numel() for value in variables.values())

        def gradient(points: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
            rows = torch.arange(len(start)).repeat_interleave(len(points) // len(start))
            state = undressed[rows]
            points = points.requires_grad_(True)
            unpack = Whitened({name: value[rows] for name, value in variables.items()}, SCALES, None).unpack
            targets = self.targets if len(self.targets) == 1 else self.targets[rows]
            with torch.enable_grad():
                here = replace(self, objective=objective, targets=targets)
                scene = here.scene(state.with_values(unpack(points)))
                loss = objective(scene).sum()
                return torch.autograd.grad(loss, points)[0] if loss.requires_grad else torch.zeros_like(points)

        return hessian(gradient, start.orient.new_zeros(len(start), size))

    @torch.no_grad()
    def breakdown(self, variables: Variables) -> dict[str, Float[Tensor, "b"]]:
        """Each term's weighted value."""
        return self.objective.breakdown(self.scene(variables))
