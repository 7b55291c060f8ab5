"""Which labels are available for which synthetic people.

Real data sets are mixed in the same way: most images have 2D joints alone, and few people have 3D pose.
"""

from __future__ import annotations

from jaxtyping import Bool, Int64
from pydantic import Field
from torch import Tensor, stack

from render_fit.core.config import StrictModel

LABELS = ("rotations", "betas", "clothing", "joints", "pelvis_offset", "projection")
"""Labels of a person, by the names of the losses that use them (`losses.LossWeights`)."""

_GOLDEN = 0.6180339887498949
"""Golden section: any number of its multiples, modulo one, is spread evenly."""


class LabelAvailability(StrictModel):
    """Shares of people with each kind of label. People with a rarer label have the more common ones too.

    The 2D label is the projection of the body model's own joints, without the errors of the input keypoints.

    Source: the study of the amount of 3D supervision in Omran et al., 3DV 2018.
    """

    latent: float = Field(default=1.0, ge=0, le=1, description="share with L_lat: rotations, betas, clothing")
    joints: float = Field(default=1.0, ge=0, le=1, description="share with L_3D: joints and pelvis offset")
    projection: float = Field(default=1.0, ge=0, le=1, description="share with L_2D: projected joints")

    def carried(self, numbers: Int64[Tensor, "n"]) -> Bool[Tensor, "n l"]:
        """Labels of people. They depend on the person's number alone, so any number of processes agree.

        Args:
            numbers: (N,) numbers of the people, at least 0 and below 2⁴⁰.

        Returns:
            (N, L) a column for each of `LABELS`. In any range of numbers, the shares are right to about one person. A
            person who has a label at some share has it at every larger one.
        """
        place = (numbers.double() * _GOLDEN) % 1.0
        share = {"joints": self.joints, "pelvis_offset": self.joints, "projection": self.projection}
        return stack([place < share.get(name, self.latent) for name in LABELS], 1)
