"""Learning from people whom nobody labelled: what a regressor says is drawn and compared with what was observed.

z(I) goes in, M(θ, β, c) comes out, R draws it, and dist(R(M), z(I)) is what the network lowers: the same terms that
refine one image, with gradients through M and R into the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import roma
import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.cameras import Camera
from render_fit.core.config import StrictModel
from render_fit.fitting.recipe import Edge, TermSetting, TermSettings
from render_fit.losses.fit_state import FitState
from render_fit.losses.registry import is_observed, make_term
from render_fit.losses.targets import FitTargets, targets_from
from render_fit.losses.term import Objective
from render_fit.observations.observation import Observation
from render_fit.regressors.inputs import RegressorInputs, inputs_from_observation
from render_fit.regressors.network import Prediction
from render_fit.regressors.person_crop import PersonCrop
from render_fit.renderers.base import Renderer, RenderSettings
from render_fit.renderers.cpu import CpuRenderer
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.losses import Count, Losses

DEFAULT_TERMS: Mapping[str, TermSetting] = {
    "keypoints": TermSetting(weight=2.0, options={"scale": 0.1}),
    "silhouette_l2": TermSetting(weight=1600.0, options={"noise": 0.028}),
    "silhouette_distance": TermSetting(weight=200.0),
    "parts": TermSetting(weight=100.0),
    "pose_mixture": TermSetting(weight=1.0),
    "pose_limits": TermSetting(weight=1.0),
    "shape": TermSetting(weight=1.0),
    "torso_tilt": TermSetting(weight=30.0),
}
"""The default recipe's refinement (`hybrid`), with the mask trusted half as much: here it is a detector's."""


class RenderSupervisionConfig(StrictModel):
    """How a regressor learns from observations alone, beside drawn people."""

    weight: float = Field(default=0.01, ge=0, description="of the terms' sum (nats), beside the losses of drawn people")
    batch: int = Field(default=16, gt=0, description="people in a step, of all processes together")
    resolution: int = Field(default=64, gt=0, description="side of the square crop that is drawn, pixels")
    edge: Edge = Edge(sigma_px=1.0)
    terms: TermSettings = Field(default_factory=lambda: dict(DEFAULT_TERMS))


@dataclass(frozen=True)
class UnlabelledPhotos:
    """N people and what was observed of them.

    Attributes:
        inputs: What the regressor sees.
        view: The cameras that look at them.
        targets: What its answer is compared with.
    """

    inputs: RegressorInputs
    view: PersonCrop
    targets: FitTargets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Tensor) -> UnlabelledPhotos:
        return UnlabelledPhotos(self.inputs[rows], self.view[rows], self.targets[rows])

    @staticmethod
    def of(
        observations: Sequence[Observation],
        cameras: Sequence[Camera],
        size: int,
        resolution: int,
        margin: float = 0.1,
        *,
        photo: bool = False,
    ) -> UnlabelledPhotos:
        """Prepares observations.

        Args:
            observations: z(I) in the photos.
            cameras: The photos'.
            size: Side of the regressor's view, pixels.
            resolution: Side of the crops that are compared with, pixels.
            margin: Room on each side of a crop, share of the person's longer side.
            photo: The regressor looks at the photos' pixels too.

        Raises:
            ValueError: if they were not observed by the same means.
            InputError: if pixels are asked for and there are none.
        """
        return UnlabelledPhotos.joined(
            [
                UnlabelledPhotos(
                    *inputs_from_observation(one, camera, size, photo=photo),
                    targets_from(one, camera, resolution, margin),
                )
                for one, camera in zip(observations, cameras, strict=True)
            ]
        )

    @staticmethod
    def joined(parts: Sequence[UnlabelledPhotos]) -> UnlabelledPhotos:
        """People one after the other.

        Raises:
            ValueError: if they were not observed by the same means.
        """
        views = [part.view for part in parts]
        size = views[0].camera.width
        camera = Camera(torch.cat([view.camera.K for view in views]), size, size)
        return UnlabelledPhotos(
            RegressorInputs.joined([part.inputs for part in parts]),
            PersonCrop(camera, torch.cat([view.rotation for view in views])),
            FitTargets.joined([part.targets for part in parts]),
        )


class RenderComparison(NamedTuple):
    """What was compared.

    Attributes:
        values: (N,) the objective.
        best: (N,) which hypothesis.
        scene: That hypothesis beside what was observed.
    """

    values: Float[Tensor, "n"]
    best: Int64[Tensor, "n"]
    scene: FitState


def objective_for(terms: Mapping[str, TermSetting], targets: FitTargets) -> Objective:
    """The terms that have something to compare with."""
    chosen = {
        name: (term.weight, make_term(name, term.options)) for name, term in terms.items() if is_observed(name, targets)
    }
    return Objective(chosen)


def render_loss(
    prediction: Prediction,
    seen: UnlabelledPhotos,
    synthesis: PeopleSampler,
    setting: RenderSupervisionConfig,
    count: Count,
) -> Losses:
    """A step's loss of people whom nobody labelled.

    Args:
        prediction: H hypotheses for each of N people.
        seen: Those people.
        synthesis: Whose body and clothes.
        setting: Terms, weight, edge.
        count: Makes a number of people one of all processes'; see `objective.losses`.
    """
    edge = setting.edge
    values, best, _ = render_losses(
        prediction,
        seen,
        synthesis.body,
        synthesis.basis,
        objective_for(setting.terms, seen.targets),
        CpuRenderer(),
        RenderSettings(edge.silhouette, edge.sigma_px, edge.gamma_m),
    )
    choice = -prediction.log_likelihood.gather(1, best[:, None])[:, 0]
    people = torch.tensor(float(len(seen)))
    total = setting.weight * (values.sum() + choice.sum()) / count(people)
    return Losses(total, {"unlabelled": values.detach().mean()})


def render_losses(
    prediction: Prediction,
    seen: UnlabelledPhotos,
    body: Body,
    basis: ClothingBasis | None,
    objective: Objective,
    renderer: Renderer,
    settings: RenderSettings,
) -> RenderComparison:
    """How badly what a regressor says explains what was observed.

    Args:
        prediction: H hypotheses for each of N people.
        seen: Those people.
        body: M.
        basis: Clothes; without it nobody wears any.
        objective: dist and priors.
        renderer: R.
        settings: Of the silhouette's edge.

    Returns:
        The objective of each person's best hypothesis, by the terms that need no picture.

    Differentiability: in the prediction, as the terms are.
    """
    n, h = prediction.log_likelihood.shape
    rotations, pelvis = prediction.in_photo_camera(seen.view)
    betas = prediction.betas.flatten(0, 1)
    clothing = prediction.clothing.flatten(0, 1)
    parameters = BodyParameters(rotations, betas, pelvis - body.rest_joints(betas)[:, 0])

    def scene(rows: Tensor, people: Tensor, dressed: bool) -> FitState:
        who = parameters[rows]
        worn = clothing[rows] if dressed and basis is not None and clothing.shape[1] else None
        offsets = None if worn is None or basis is None else basis(worn)
        turns = roma.rotmat_to_rotvec(who.rotations[:, 1:])
        pose = torch.cat([torch.zeros_like(turns[:, :1]), turns], 1)
        return FitState(
            body,
            replace(who, offsets=offsets),
            seen.targets[people],
            renderer,
            settings,
            pose_rotvec=pose,
            clothing=worn,
        )

    everyone = torch.arange(n)
    with torch.no_grad():
        value = objective.skeletal()(scene(torch.arange(n * h), everyone.repeat_interleave(h), False)).view(n, h)
        best = value.nan_to_num(torch.inf).argmin(1)
    drawn = scene(everyone * h + best, everyone, True)
    return RenderComparison(objective(drawn), best, drawn)
