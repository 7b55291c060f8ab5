"""Which labels people carry: nobody's pose is measured in the street, and most pictures come with 2D joints alone."""

from __future__ import annotations

from jaxtyping import Bool, Int64
from pydantic import Field
from torch import Tensor, stack

from render_fit.core.config import StrictModel

LABELS = ("rotations", "betas", "clothing", "joints", "pelvis_offset", "projection")
"""What may be known of a person, by the names of the losses that compare with it (`objective.LossWeights`)."""

_GOLDEN = 0.6180339887498949
"""Multiples of the golden section, modulo one, are spread evenly, however many of them are taken."""


class LabelAvailability(StrictModel):
    """Shares of people who carry labels. Who carries a rarer one carries the commoner ones too.

    The joints' projection is that of M's own joints, as an annotator without error would mark them, whatever is wrong
    with the keypoints that the regressor is shown.

    Source: Omran et al., 3DV 2018, who ask how much 3D supervision is needed.
    """

    latent: float = Field(default=1.0, ge=0, le=1, description="L_lat: rotations, betas, clothing")
    joints: float = Field(default=1.0, ge=0, le=1, description="L_3D: joints and place, metres")
    projection: float = Field(default=1.0, ge=0, le=1, description="L_2D: joints in the picture")

    def carried(self, numbers: Int64[Tensor, "n"]) -> Bool[Tensor, "n l"]:
        """What people carry, by their number alone: the same whoever draws them.

        Args:
            numbers: Of the people, from 0, below 2⁴⁰.

        Returns:
            A column for each of `LABELS`. Of any run of numbers the shares are right to about one person, and a person
            who carries a label at some share carries it at every larger one.
        """
        place = (numbers.double() * _GOLDEN) % 1.0
        share = {"joints": self.joints, "pelvis_offset": self.joints, "projection": self.projection}
        return stack([place < share.get(name, self.latent) for name in LABELS], 1)
