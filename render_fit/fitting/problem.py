"""argmin over θ, β, c and the body's place: one objective on one image, for a batch of hypotheses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.fitting.curvature import Whitened, hessian, whitening
from render_fit.fitting.solvers import Solution, Solver
from render_fit.fitting.solvers.solution import Progress
from render_fit.fitting.variables import SCALES, SKELETAL, Variables
from render_fit.losses.targets import Targets
from render_fit.losses.term import Objective, Scene
from render_fit.renderers.base import Renderer, RenderSettings


@dataclass(frozen=True)
class Problem:
    """An objective on one image.

    Attributes:
        body: M.
        targets: z(I) in the crop.
        objective: Weighted terms.
        renderer: R.
        settings: The silhouette's edge.
        clothing_basis: Smooth offsets, if clothing is in play.
    """

    body: Body
    targets: Targets
    objective: Objective
    renderer: Renderer | None = None
    settings: RenderSettings | None = None
    clothing_basis: ClothingBasis | None = None

    def scene(self, variables: Variables) -> Scene:
        """The variables beside what was observed."""
        return Scene(
            self.body,
            variables.parameters(self.body, self.clothing_basis),
            self.targets,
            self.renderer,
            self.settings,
            pose_rotvec=variables.pose_rotvec,
            clothing=variables.clothing,
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
            whiten: Take the curvature of the skeletal terms out beforehand, with this much added in every direction
                for the others (nats per squared scale); 0: leave the variables as they are.
            progress: Called with (done, all) evaluations.

        Returns:
            The best iterates and the solver's account of them.
        """
        start = start.recentred()
        # Skeletal variables first: they are the columns that get whitened.
        moving = start.free(sorted(free, key=lambda name: name not in SKELETAL))
        curved = whiten > 0 and any(name in SKELETAL for name in moving)
        W = whitening(self._skeletal_curvature(start, moving), whiten) if curved else None
        whitened = Whitened(moving, SCALES, W)

        def function(values: Mapping[str, Tensor]) -> Tensor:
            return self.loss(start.with_values(whitened.unpack(values["y"])))

        solution = solver(function, {"y": whitened.origin}, {}, iterations, tolerance, progress)
        return start.with_values(whitened.unpack(solution.values["y"])).recentred(), solution

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
            with torch.enable_grad():
                scene = replace(self, objective=objective).scene(state.with_values(unpack(points)))
                loss = objective(scene).sum()
                return torch.autograd.grad(loss, points)[0] if loss.requires_grad else torch.zeros_like(points)

        return hessian(gradient, start.orient.new_zeros(len(start), size))

    @torch.no_grad()
    def breakdown(self, variables: Variables) -> dict[str, Float[Tensor, "b"]]:
        """Each term's weighted value."""
        return self.objective.breakdown(self.scene(variables))
