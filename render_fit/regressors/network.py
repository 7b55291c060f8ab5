"""Regressor network: hypotheses of the body from images and keypoints."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.batch import Batch
from render_fit.core.errors import InputError
from render_fit.core.parts import N_PARTS
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.regressors.config import ImageInput, RegressorConfig
from render_fit.regressors.hub import OnHub
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.layers import IterativeHead, Standardisation, backbone_for, upright_output
from render_fit.regressors.person_crop import PersonCrop

REFERENCE_M = 2.0
"""Side of the crop at the reference depth of `Prediction.pelvis_offset`, metres; people of 1.7 m fill it there."""

FARTHEST_LOG = 5.0
"""Limit of the logarithm of the relative depth."""

_CHANNELS: dict[ImageInput, int] = {"silhouette": 1, "parts": N_PARTS, "heatmaps": len(CANONICAL_KEYPOINTS), "photo": 3}


@dataclass(frozen=True)
class Prediction(Batch):
    """H hypotheses for each of N people, in the axes of the crop camera.

    Attributes:
        rotations: (N, H, J, 3, 3) local rotations; the global one is from the body to the crop camera.
        betas: (N, H, S) shape coefficients.
        pelvis_offset: (N, H, 3) pelvis in the crop camera: (x/z, y/z) times the focal length over half the side, and
            log z relative to the depth at which the side measures `REFERENCE_M`.
        clothing: (N, H, M) coefficients of the clothing basis.
        log_likelihood: (N, H) log probabilities of the hypotheses.
        joint_error: (N, H, J) expected errors of the joints, metres (mean of an exponential distribution).
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
        """Sorts the hypotheses of every person, most likely first."""
        order = self.log_likelihood.argsort(dim=1, descending=True)
        rows = torch.arange(len(self), device=order.device)[:, None]
        return Prediction(**{f.name: getattr(self, f.name)[rows, order] for f in fields(self)})

    def parameters(self, body: Body, focal: Float[Tensor, "n"]) -> BodyParameters:
        """Converts to body parameters in the axes of the crop camera.

        Args:
            body: Body model M.
            focal: (N,) focal length over the side of the crop.

        Returns:
            Parameters of N·H bodies: all hypotheses of the first person, then of the second, ...

        Differentiability: smooth.
        """
        rotations, betas = self.rotations.flatten(0, 1), self.betas.flatten(0, 1)
        pelvis = pelvis_in_view(self.pelvis_offset, focal[:, None].expand_as(self.log_likelihood)).flatten(0, 1)
        return BodyParameters(rotations, betas, pelvis - body.rest_joints(betas)[:, 0])

    def in_photo_camera(self, view: PersonCrop) -> tuple[Float[Tensor, "nh j 3 3"], Float[Tensor, "nh 3"]]:
        """Rotations and pelvis (metres) in the axes of the photo's camera, ordered as in `parameters`."""
        pelvis = pelvis_in_view(self.pelvis_offset, view.focal[:, None].expand_as(self.log_likelihood)).flatten(0, 1)
        back = view.rotation.mT.repeat_interleave(self.betas.shape[1], 0)
        rotations = self.rotations.flatten(0, 1)
        rotations = torch.cat([back[:, None] @ rotations[:, :1], rotations[:, 1:]], 1)
        return rotations, (back @ pelvis[..., None])[..., 0]


def pelvis_in_view(offset: Float[Tensor, "*n 3"], focal: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
    """Converts `Prediction.pelvis_offset` to metres in the axes of the crop camera.

    Differentiability: smooth up to `FARTHEST_LOG`; larger depths are clamped, so that a network whose loss does not
        constrain depth cannot produce infinite losses.
    """
    depth = offset[..., 2].clamp(-FARTHEST_LOG, FARTHEST_LOG).exp() * focal * REFERENCE_M
    across = offset[..., :2] / (2 * focal[..., None]) * depth[..., None]
    return torch.cat([across, depth[..., None]], -1)


def place_in_view(pelvis: Float[Tensor, "*n 3"], focal: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
    """Inverse of `pelvis_in_view`: converts metres to `Prediction.pelvis_offset`."""
    depth = pelvis[..., 2].clamp(min=1e-3)
    across = pelvis[..., :2] / depth[..., None] * 2 * focal[..., None]
    return torch.cat([across, (depth / (focal * REFERENCE_M)).log()[..., None]], -1)


def orthonormal(columns: Float[Tensor, "*n 3 2"]) -> Float[Tensor, "*n 3 3"]:
    """Rotations by Gram–Schmidt of two columns, bitwise equal to `roma.special_gramschmidt`.

    Not roma's function, because its reshaping of several batch axes fixes the batch size of an exported network.

    Differentiability: smooth where the columns are not parallel.

    Source: on the continuity of rotation representations, Zhou et al., CVPR 2019, equation 4.
    """
    first, second = columns.unbind(-1)
    first = first / first.norm(dim=-1, keepdim=True)
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = second / second.norm(dim=-1, keepdim=True)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


class _Residual(nn.Module):
    """Residual block of two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Regressor(nn.Module, OnHub):
    """Network from `RegressorInputs` to a `Prediction`.

    Image inputs are processed by a backbone of transformers; keypoints, their confidence and the focal length are
    concatenated to its features. If `RegressorConfig.shape_pictures` names image inputs, betas and clothing are
    predicted from those alone by a second backbone, and are equal in all hypotheses.

    Args:
        config: Configuration of the network.
    """

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        features = 0
        if config.pictures:
            self.backbone, features = backbone_for(config.backbone, _channels(config.pictures))
            if self.is_frozen:
                self.standard = Standardisation(features)
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
        """Checks that every person has at least one of the inputs that this regressor uses.

        Raises:
            InputError: if a person has none of them.
        """
        observed = {
            "mask": inputs.silhouette.flatten(1).any(1),
            "part map": inputs.parts.flatten(1).any(1),
            "keypoints": inputs.confidence.any(1),
            "photo": torch.full((len(inputs),), inputs.photo is not None or inputs.features is not None),
        }
        kinds = sorted(self.config.input_kinds)
        if not bool(torch.stack([observed[kind] for kind in kinds]).any(0).all()):
            remedy = "; give --parts, or --parts-from-keypoints" if kinds == ["part map"] else ""
            raise InputError(f"the regressor uses only {' and '.join(kinds)}, which was not observed{remedy}")

    @torch.no_grad()
    def begin_at(self, rotations: Float[Tensor, "j 3 3"]) -> None:
        """Sets the initial pose of iterative error feedback; global rotations are not changed.

        Args:
            rotations: (J, 3, 3) local rotations of all joints but the root.

        Raises:
            ValueError: if the head of the network is not iterative.
        """
        if not isinstance(self.head, IterativeHead):
            raise ValueError("begin_at: this regressor's head is not iterative")
        six = rotations[..., :2].flatten()
        self.head.start[:, 6 : 6 + len(six)] = six.to(self.head.start)

    def forward(self, inputs: RegressorInputs) -> Prediction:
        """Predicts hypotheses for every person.

        Args:
            inputs: Inputs of N people, with side `RegressorConfig.size`.

        Returns:
            Prediction with unsorted hypotheses; `Prediction.ranked` sorts them.

        Raises:
            ValueError: if the inputs have another size, or lack photos that the network uses.

        Differentiability: smooth in the inputs and weights.
        """
        config = self.config
        if inputs.features is None and inputs.silhouette.shape[-1] != config.size:
            raise ValueError(
                f"inputs: the regressor expects {config.size} x {config.size} pixels, got {inputs.silhouette.shape[-1]}"
            )
        numbers = [inputs.focal.clamp(min=1e-3).log()[:, None]]
        if config.keypoints:
            numbers += [(inputs.keypoints * (inputs.confidence > 0)[..., None]).flatten(1), inputs.confidence]
        if config.depths:
            numbers += [inputs.depths * (inputs.depth_confidence > 0), inputs.depth_confidence]
        joined = [self.numbers(torch.cat(numbers, 1))]
        if config.pictures:
            features = self.image_features(inputs)
            joined.append(self.standard(features) if self.is_frozen else features)
        features = self.trunk(self.join(torch.cat(joined, 1)))
        output = self.head(features).float().unflatten(1, (config.hypotheses, -1))
        values = dict(zip(self.sizes, output.split(list(self.sizes.values()), -1), strict=True))
        if config.shape_pictures:
            features = self.shape_backbone(self._images(config.shape_pictures, inputs)).feature_maps[-1].mean((2, 3))
            shape = self.shape_head(features).float()[:, None].expand(-1, config.hypotheses, -1)
            values |= dict(zip(self.shape_sizes, shape.split(list(self.shape_sizes.values()), -1), strict=True))
        return Prediction(
            orthonormal(values["six"].unflatten(-1, (config.n_joints, 3, 2))),
            values["betas"],
            values["pelvis_offset"],
            values["clothing"],
            values["score"][..., 0].log_softmax(1),
            nn.functional.softplus(values["joint_error"]),
        )

    @property
    def is_frozen(self) -> bool:
        """Whether the backbone of the images has fixed weights, so that its features may be computed once."""
        return bool(self.config.pictures) and getattr(self.backbone, "frozen", False)

    def image_features(self, inputs: RegressorInputs) -> Float[Tensor, "n f"]:
        """Features of the images by the backbone: the mean of its last map, or those that the inputs contain."""
        if inputs.features is not None:
            return inputs.features
        return self.backbone(self._images(self.config.pictures, inputs)).feature_maps[-1].mean((2, 3))

    @torch.no_grad()
    def with_features(self, inputs: RegressorInputs) -> RegressorInputs:
        """Inputs with the features of a frozen backbone in place of the images; predictions from them are the same.

        Raises:
            ValueError: if the backbone is trained, or another branch uses images.
        """
        if not self.is_frozen or self.config.shape_pictures:
            raise ValueError("with_features: expected a frozen backbone as the only one that uses images")
        if inputs.features is not None:
            return inputs
        n = len(inputs)
        empty, no_parts = inputs.focal.new_zeros(n, 0, 0), inputs.focal.new_zeros(n, N_PARTS, 0, 0)
        return replace(
            inputs, silhouette=empty, parts=no_parts, photo=None, features=self.image_features(inputs).float()
        )

    def _images(self, names: tuple[ImageInput, ...], inputs: RegressorInputs) -> Tensor:
        return torch.cat([self._image(name, inputs) for name in names], 1)

    def _image(self, name: ImageInput, inputs: RegressorInputs) -> Tensor:
        if name == "silhouette":
            return inputs.silhouette[:, None]
        if name == "parts":
            return inputs.parts
        if name == "heatmaps":
            return heatmaps(inputs, self.config.heatmap_sigma)
        if inputs.photo is None:
            raise ValueError("inputs: the regressor uses photos, and the inputs contain none")
        return inputs.photo


def _channels(names: tuple[ImageInput, ...]) -> int:
    return sum(_CHANNELS[name] for name in names)


def heatmaps(inputs: RegressorInputs, sigma: float) -> Float[Tensor, "n k s s"]:
    """Renders a Gaussian at every observed keypoint, scaled by its confidence.

    Args:
        inputs: Inputs of N people.
        sigma: Standard deviation, share of half the side of the crop.
    """
    size = inputs.silhouette.shape[-1]
    centres = 2 * (torch.arange(size, device=inputs.focal.device) + 0.5) / size - 1
    across, down = ((centres - inputs.keypoints[..., i, None]).square() / (-2 * sigma**2) for i in (0, 1))
    return inputs.confidence[..., None, None] * down.exp()[..., :, None] * across.exp()[..., None, :]
