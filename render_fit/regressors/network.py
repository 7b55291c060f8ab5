"""A regressor: pictures through a backbone, keypoints beside them, several hypotheses of the body as the answer."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.batch import Batch
from render_fit.core.errors import InputError
from render_fit.core.parts import N_PARTS
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.regressors.backbone import backbone_for
from render_fit.regressors.config import Picture, RegressorConfig
from render_fit.regressors.heads import IterativeHead, upright_output
from render_fit.regressors.hub import OnHub
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.person_crop import PersonCrop

REFERENCE_M = 2.0
"""A view's side at the depth of 1.7 m people who fill it: depths are told relative to where that is."""

FARTHEST_LOG = 5.0
"""Depths are told in logarithms; this many times e nearer or further than the reference is as far as answers reach."""

_CHANNELS: dict[Picture, int] = {"silhouette": 1, "parts": N_PARTS, "heatmaps": len(CANONICAL_KEYPOINTS), "photo": 3}


@dataclass(frozen=True)
class Prediction(Batch):
    """H hypotheses for each of N people, in the axes of the view, most likely first.

    Attributes:
        rotations: (N, H, J, 3, 3) local rotations, the global one from the body to the view.
        betas: (N, H, S) shape.
        pelvis_offset: (N, H, 3) pelvis in the view: (x/z, y/z) times the focal length over half the side, and log z
            relative to the depth at which the side measures `REFERENCE_M`.
        clothing: (N, H, M) coefficients of the clothing basis.
        log_likelihood: (N, H) logarithms of the hypotheses' probabilities.
        joint_error: (N, H, J) how far off a joint probably is, metres (mean of an exponential).
    """

    rotations: Float[Tensor, "n h j 3 3"]
    betas: Float[Tensor, "n h s"]
    pelvis_offset: Float[Tensor, "n h 3"]
    clothing: Float[Tensor, "n h m"]
    log_likelihood: Float[Tensor, "n h"]
    joint_error: Float[Tensor, "n h j"]

    def __len__(self) -> int:
        return len(self.betas)

    def ranked(self) -> Prediction:
        """The same with every person's hypotheses in order, most likely first."""
        order = self.log_likelihood.argsort(dim=1, descending=True)
        rows = torch.arange(len(self), device=order.device)[:, None]
        return Prediction(**{f.name: getattr(self, f.name)[rows, order] for f in fields(self)})

    def parameters(self, body: Body, focal: Float[Tensor, "n"]) -> BodyParameters:
        """M's parameters in the view's axes, all hypotheses of the first person, then of the second, ...

        Args:
            body: M.
            focal: Of the views: focal length over side.

        Differentiability: smooth.
        """
        rotations, betas = self.rotations.flatten(0, 1), self.betas.flatten(0, 1)
        pelvis = pelvis_in_view(self.pelvis_offset, focal[:, None].expand_as(self.log_likelihood)).flatten(0, 1)
        return BodyParameters(rotations, betas, pelvis - body.rest_joints(betas)[:, 0])

    def in_photo_camera(self, view: PersonCrop) -> tuple[Float[Tensor, "nh j 3 3"], Float[Tensor, "nh 3"]]:
        """Rotations and the pelvis's place (metres) in the axes of the photo's camera, ordered as in `parameters`."""
        pelvis = pelvis_in_view(self.pelvis_offset, view.focal[:, None].expand_as(self.log_likelihood)).flatten(0, 1)
        back = view.rotation.mT.repeat_interleave(self.betas.shape[1], 0)
        rotations = self.rotations.flatten(0, 1)
        rotations = torch.cat([back[:, None] @ rotations[:, :1], rotations[:, 1:]], 1)
        return rotations, (back @ pelvis[..., None])[..., 0]


def pelvis_in_view(place: Float[Tensor, "*n 3"], focal: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
    """Metres in the view's axes; see `Prediction.pelvis_offset`.

    Differentiability: smooth up to `FARTHEST_LOG`; an answer beyond it is brought back there, so that what nobody told
        a network (how far away people are) never makes its losses infinite.
    """
    depth = place[..., 2].clamp(-FARTHEST_LOG, FARTHEST_LOG).exp() * focal * REFERENCE_M
    across = place[..., :2] / (2 * focal[..., None]) * depth[..., None]
    return torch.cat([across, depth[..., None]], -1)


def place_in_view(pelvis: Float[Tensor, "*n 3"], focal: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
    """The inverse of `pelvis_in_view`."""
    depth = pelvis[..., 2].clamp(min=1e-3)
    across = pelvis[..., :2] / depth[..., None] * 2 * focal[..., None]
    return torch.cat([across, (depth / (focal * REFERENCE_M)).log()[..., None]], -1)


def orthonormal(columns: Float[Tensor, "*n 3 2"]) -> Float[Tensor, "*n 3 3"]:
    """Rotations by Gram–Schmidt of two columns, to the last bit those of `roma.special_gramschmidt`.

    Written out because roma's way back to several batch axes fixes how many people an exported network takes.

    Differentiability: smooth, where the columns are not parallel.

    Source: on the continuity of rotation representations, Zhou et al., CVPR 2019, equation 4.
    """
    first, second = columns.unbind(-1)
    first = first / first.norm(dim=-1, keepdim=True)
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = second / second.norm(dim=-1, keepdim=True)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


class _Residual(nn.Module):
    """Two layers added to what goes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Regressor(nn.Module, OnHub):
    """Inputs to a `Prediction`.

    Pictures go through any backbone of transformers; keypoints, their confidence and the focal length join as numbers.
    Where `RegressorConfig.shape_pictures` names pictures, betas and clothing are told from those alone, by a second
    backbone, and are the same in all hypotheses.

    Args:
        config: See `RegressorConfig`.
    """

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        features = 0
        if config.pictures:
            self.backbone, features = backbone_for(config.backbone, _channels(config.pictures))
        numbers = 1 + (3 * config.keypoints + 2 * config.depths) * len(CANONICAL_KEYPOINTS)
        self.numbers = nn.Sequential(nn.Linear(numbers, config.width), nn.GELU(), nn.Linear(config.width, config.width))
        self.join = nn.Linear(features + config.width, config.width)
        self.trunk = nn.Sequential(*(_Residual(config.width) for _ in range(config.depth)), nn.LayerNorm(config.width))
        shape = {"betas": config.n_betas, "clothing": config.n_clothing}
        sizes = {"six": 6 * config.n_joints, "betas": shape["betas"], "pelvis_offset": 3, "clothing": shape["clothing"]}
        sizes |= {"score": 1, "joint_error": config.n_joints}
        self.shape_sizes = shape if config.shape_pictures else {}
        self.sizes = {name: size for name, size in sizes.items() if name not in self.shape_sizes}
        start = upright_output(config.hypotheses, config.n_joints, sum(self.sizes.values()))
        if config.head == "direct":
            self.head = nn.Linear(config.width, start.numel())
            nn.init.normal_(self.head.weight, std=1e-2)
            with torch.no_grad():
                self.head.bias.copy_(start.flatten())
        else:
            self.head = IterativeHead(config.width, start, config.corrections)
        if config.shape_pictures:
            self.shape_backbone, features = backbone_for(config.backbone, _channels(config.shape_pictures))
            self.shape_head = nn.Sequential(
                nn.Linear(features, config.width), nn.GELU(), nn.Linear(config.width, sum(shape.values()))
            )

    def check_inputs(self, inputs: RegressorInputs) -> None:
        """Makes sure that everybody shows something of what this regressor looks at.

        Raises:
            InputError: naming what it looks at.
        """
        shown = {
            "mask": inputs.silhouette.flatten(1).any(1),
            "part map": inputs.parts.flatten(1).any(1),
            "keypoints": inputs.confidence.any(1),
            "photo": torch.full((len(inputs),), inputs.photo is not None),
        }
        looks_at = sorted(self.config.looks_at)
        if not bool(torch.stack([shown[name] for name in looks_at]).any(0).all()):
            mend = "; give --parts, or --parts-from-keypoints" if looks_at == ["part map"] else ""
            only = " and ".join(looks_at)
            raise InputError(f"the regressor looks at nothing but {only}, which was not observed{mend}")

    @torch.no_grad()
    def begin_at(self, rotations: Float[Tensor, "j 3 3"]) -> None:
        """Has iterative error feedback start from a pose.

        Args:
            rotations: Local ones of all joints but the global one, which stays as it is.

        Raises:
            ValueError: for a network without such a head.
        """
        if not isinstance(self.head, IterativeHead):
            raise ValueError("begin_at: this regressor's head is not iterative")
        six = rotations[..., :2].flatten()
        self.head.start[:, 6 : 6 + len(six)] = six.to(self.head.start)

    def forward(self, inputs: RegressorInputs) -> Prediction:
        """Hypotheses for every person.

        Args:
            inputs: N people in views of `RegressorConfig.size`.

        Returns:
            In the order of the heads; `Prediction.ranked` sorts them.

        Raises:
            ValueError: if the views have another size, or lack photos that it looks at.

        Differentiability: smooth in the inputs and weights.
        """
        config = self.config
        if inputs.silhouette.shape[-1] != config.size:
            raise ValueError(
                f"inputs: this regressor sees {config.size} x {config.size} pixels, got {inputs.silhouette.shape[-1]}"
            )
        numbers = [inputs.focal.clamp(min=1e-3).log()[:, None]]
        if config.keypoints:
            numbers += [(inputs.keypoints * (inputs.confidence > 0)[..., None]).flatten(1), inputs.confidence]
        if config.depths:
            numbers += [inputs.depths * (inputs.depth_confidence > 0), inputs.depth_confidence]
        joined = [self.numbers(torch.cat(numbers, 1))]
        if config.pictures:
            joined.append(self.backbone(self._pictures(config.pictures, inputs)).feature_maps[-1].mean((2, 3)))
        features = self.trunk(self.join(torch.cat(joined, 1)))
        answer = self.head(features).float().unflatten(1, (config.hypotheses, -1))
        told = dict(zip(self.sizes, answer.split(list(self.sizes.values()), -1), strict=True))
        if config.shape_pictures:
            seen = self.shape_backbone(self._pictures(config.shape_pictures, inputs)).feature_maps[-1].mean((2, 3))
            shape = self.shape_head(seen).float()[:, None].expand(-1, config.hypotheses, -1)
            told |= dict(zip(self.shape_sizes, shape.split(list(self.shape_sizes.values()), -1), strict=True))
        return Prediction(
            orthonormal(told["six"].unflatten(-1, (config.n_joints, 3, 2))),
            told["betas"],
            told["pelvis_offset"],
            told["clothing"],
            told["score"][..., 0].log_softmax(1),
            nn.functional.softplus(told["joint_error"]),
        )

    def _pictures(self, names: tuple[Picture, ...], inputs: RegressorInputs) -> Tensor:
        return torch.cat([self._picture(name, inputs) for name in names], 1)

    def _picture(self, name: Picture, inputs: RegressorInputs) -> Tensor:
        if name == "silhouette":
            return inputs.silhouette[:, None]
        if name == "parts":
            return inputs.parts
        if name == "heatmaps":
            return heatmaps(inputs, self.config.heatmap_sigma)
        if inputs.photo is None:
            raise ValueError("inputs: this regressor looks at photos, and there are none")
        return inputs.photo


def _channels(pictures: tuple[Picture, ...]) -> int:
    return sum(_CHANNELS[picture] for picture in pictures)


def heatmaps(inputs: RegressorInputs, sigma: float) -> Float[Tensor, "n k s s"]:
    """A Gaussian spot for every keypoint that was seen, as high as it is sure.

    Args:
        inputs: N people.
        sigma: Standard deviation, share of half the view's side.
    """
    size = inputs.silhouette.shape[-1]
    centres = 2 * (torch.arange(size, device=inputs.focal.device) + 0.5) / size - 1
    across, down = ((centres - inputs.keypoints[..., i, None]).square() / (-2 * sigma**2) for i in (0, 1))
    return inputs.confidence[..., None, None] * down.exp()[..., :, None] * across.exp()[..., None, :]
