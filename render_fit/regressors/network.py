"""Regressor network: hypotheses of the body from images and keypoints."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from render_fit.core.errors import InputError
from render_fit.core.parts import N_PARTS
from render_fit.core.skeletons import CANONICAL_KEYPOINTS, SMPL_24
from render_fit.regressors.config import ImageInput, RegressorConfig
from render_fit.regressors.hub import OnHub
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.layers import IterativeHead, backbone_for, upright_output
from render_fit.regressors.prediction import (
    Prediction,
    mean_prediction,
    mirrored_prediction,
    orthonormal,
    turned_back,
)
from render_fit.regressors.standardisation import Standardisation
from render_fit.regressors.turned_view import PersonFeatures

_CHANNELS: dict[ImageInput, int] = {"silhouette": 1, "parts": N_PARTS, "heatmaps": len(CANONICAL_KEYPOINTS), "photo": 3}


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
        if inputs.features is None and inputs.silhouette.shape[-1] != self.config.size:
            size = self.config.size
            raise ValueError(f"inputs: the regressor expects {size} x {size} pixels, got {inputs.silhouette.shape[-1]}")
        if not self.is_turned:
            return self._predict(inputs, self.image_features(inputs) if self.config.pictures else None)
        people = PersonFeatures.split_numbers(self.image_features(inputs))
        turned = replace(inputs, focal=people.view.focal)
        prediction = self._predict(turned, people.own)
        if not self.training and self.is_symmetric:
            mirrored = self._predict(turned, people.mirrored)
            prediction = mean_prediction(prediction, mirrored_prediction(mirrored, SMPL_24.left_right_swap))
        return turned_back(prediction, people.view, inputs.focal)

    def _predict(self, inputs: RegressorInputs, features: Float[Tensor, "n f"] | None) -> Prediction:
        """Prediction from features of the images, and the other inputs."""
        config = self.config
        numbers = [inputs.focal.clamp(min=1e-3).log()[:, None]]
        if config.keypoints:
            numbers += [(inputs.keypoints * (inputs.confidence > 0)[..., None]).flatten(1), inputs.confidence]
        if config.depths:
            numbers += [inputs.depths * (inputs.depth_confidence > 0), inputs.depth_confidence]
        joined = [self.numbers(torch.cat(numbers, 1))]
        if features is not None:
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
    def is_turned(self) -> bool:
        """Whether the backbone sees people in turned views, in whose axes the head predicts."""
        return self.config.is_turned

    @property
    def is_symmetric(self) -> bool:
        """Whether the prediction is the mean over the view and its mirror image: one hypothesis of SMPL's skeleton."""
        return self.config.hypotheses == 1 and self.config.n_joints == len(SMPL_24.joints)

    @property
    def is_frozen(self) -> bool:
        """Whether the backbone of the images has fixed weights, so that its features may be computed once."""
        return bool(self.config.pictures) and getattr(self.backbone, "frozen", False)

    def image_features(self, inputs: RegressorInputs) -> Float[Tensor, "n f"]:
        """Features of the images by the backbone: the mean of its last map, or those that the inputs contain.

        Those of turned views are all numbers of `PersonFeatures`.
        """
        if inputs.features is not None:
            return inputs.features
        if self.is_turned:
            return self.backbone(self._images(self.config.pictures, inputs), inputs.focal).joined_numbers()
        return self.backbone(self._images(self.config.pictures, inputs)).feature_maps[-1].mean((2, 3))

    def own_features(self, numbers: Float[Tensor, "n f"]) -> Float[Tensor, "n f2"]:
        """Those of `image_features` that the head reads: of turned views, without the mirror images and the cameras."""
        return PersonFeatures.split_numbers(numbers).own if self.is_turned else numbers

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
