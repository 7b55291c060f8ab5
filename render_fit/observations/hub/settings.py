"""Settings of the observer ``transformers``: its three models, and what of their output counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from render_fit.core.config import StrictModel
from render_fit.core.part_names import part_space_name

Share = Annotated[float, Field(ge=0.0, le=1.0)]
LabelSpace = Annotated[str, AfterValidator(part_space_name)]


class HubSettings(StrictModel):
    """Models by their name on the hub (``owner/name``) or by a folder, and thresholds."""

    detector: str = Field(default="PekingU/rtdetr_r50vd", description="object detector with a class 'person'")
    pose: str = Field(default="usyd-community/vitpose-base-simple", description="ViTPose of COCO's 17 keypoints")
    parser: str = Field(default="mattmdjaga/segformer_b2_clothes", description="semantic segmentation of people")
    label_space: LabelSpace | None = Field(
        default=None, description="label space of the parser; None: the one whose labels its configuration has"
    )
    min_detection: Share = Field(default=0.5, description="lowest score of a person who counts")
    min_keypoint: Share = Field(default=0.3, description="score under which a keypoint counts as not observed")
    mirrored: bool = Field(default=True, description="average pose over the photo and its mirror image")
    parser_margin: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        default=0.1, description="margin around the person's box for the parser, as a share of the longer side"
    )
    device: str | None = Field(default=None, description="device of the networks; None: CUDA if there is one")
