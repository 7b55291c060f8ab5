"""Mirror images of synthetic people: features that are there already, and mirrored ground truth.

A frozen backbone that sees turned views gives the features of both a view and its mirror image. So every person of a
cache is two, at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import ClothingBasis
from render_fit.bodies.mesh_operators import mirror_vertices
from render_fit.core.batch import Batch
from render_fit.core.skeletons import CANONICAL_KEYPOINTS, SMPL_24, mirrored_name
from render_fit.regressors.inputs import RegressorInputs
from render_fit.regressors.prediction import mirrored_rotations
from render_fit.regressors.turned_view import MIRROR, PersonFeatures
from render_fit.training.samples import GroundTruth

B = TypeVar("B", bound=Batch)

_KEYPOINT_SWAP = [CANONICAL_KEYPOINTS.index(mirrored_name(name)) for name in CANONICAL_KEYPOINTS]


@dataclass(frozen=True)
class Mirror:
    """Mirrors people of a body whose shapes are symmetric, such as the open body.

    Attributes:
        clothing_signs: (M,) 1 for symmetric columns of the clothing basis, −1 for antisymmetric ones.
    """

    clothing_signs: Float[Tensor, "m"]

    @staticmethod
    def of(body: Body, basis: ClothingBasis | None) -> Mirror:
        """The mirror of a body and its clothing basis; None: without clothing."""
        if basis is None:
            return Mirror(torch.zeros(0))
        reflected = basis.directions[mirror_vertices(body.v_template)] * basis.directions.new_tensor(MIRROR)[:, None]
        return Mirror((reflected * basis.directions).sum((0, 1)).sign())

    def people(
        self, inputs: RegressorInputs, truth: GroundTruth, which: Bool[Tensor, "n"]
    ) -> tuple[RegressorInputs, GroundTruth]:
        """Inputs with features, and ground truth, of people of whom some are mirrored.

        Args:
            inputs: Inputs of N people, whose features are all numbers of `PersonFeatures`.
            truth: Ground truth of these people.
            which: Who is mirrored.
        """
        assert inputs.features is not None
        flip = inputs.focal.new_tensor(MIRROR)
        features = PersonFeatures.split_numbers(inputs.features).of_mirror_images().joined_numbers()
        other_inputs = replace(
            inputs,
            features=features,
            keypoints=inputs.keypoints[:, _KEYPOINT_SWAP] * flip[:2],
            confidence=inputs.confidence[:, _KEYPOINT_SWAP],
            depths=inputs.depths[:, _KEYPOINT_SWAP],
            depth_confidence=inputs.depth_confidence[:, _KEYPOINT_SWAP],
        )
        swap = list(SMPL_24.left_right_swap)
        other_truth = replace(
            truth,
            rotations=mirrored_rotations(truth.rotations, swap),
            clothing=truth.clothing * self.clothing_signs if truth.clothing.shape[1] else truth.clothing,
            pelvis_offset=truth.pelvis_offset * flip,
            pelvis=truth.pelvis * flip,
            joints=truth.joints[:, swap] * flip,
        )
        return _chosen(inputs, other_inputs, which), _chosen(truth, other_truth, which)


def _chosen(first: B, second: B, which: Bool[Tensor, "n"]) -> B:
    """Rows of the second batch where ``which``, else of the first; both have a row per person."""
    others = second.tensors()
    return type(first)(
        **{
            name: torch.where(which[(...,) + (None,) * (value.ndim - 1)], others[name], value)
            for name, value in first.tensors().items()
        }
    )
