"""argmin over θ, β, c and the body's place: one objective on one image, for a batch of hypotheses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.fitting.solvers import Solution, Solver
from render_fit.fitting.solvers.solution import Progress
from render_fit.fitting.variables import SCALES, Variables
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
        clothing_basis: (V, 3, M) smooth offsets per coefficient, if clothing is in play.
    """

    body: Body
    targets: Targets
    objective: Objective
    renderer: Renderer | None = None
    settings: RenderSettings | None = None
    clothing_basis: Float[Tensor, "v 3 m"] | None = None

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
        scales: Mapping[str, float] = SCALES,
        progress: Progress | None = None,
    ) -> tuple[Variables, Solution]:
        """Move the ``free`` variables.

        Args:
            start: B hypotheses, solved independently.
            free: Names of the variables that move.
            solver: How.
            iterations: Evaluations at the most.
            tolerance: See ``Solver``.
            scales: See ``Solver``.
            progress: Called with (done, all) evaluations.

        Returns:
            The best iterates and the solver's account of them.
        """
        start = start.recentred()
        solution = solver(
            lambda values: self.loss(start.with_values(values)),
            start.free(free),
            scales,
            iterations,
            tolerance,
            progress,
        )
        return start.with_values(solution.values).recentred(), solution

    @torch.no_grad()
    def breakdown(self, variables: Variables) -> dict[str, Float[Tensor, "b"]]:
        """Each term's weighted value."""
        return self.objective.breakdown(self.scene(variables))
