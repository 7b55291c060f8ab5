"""Configuration of a regressor: inputs, architecture and outputs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

BLAZEPOSE = "blazepose"
"""``model_type`` of the observer's landmark network as a backbone, which is none of transformers'."""

PRETRAINED = "pretrained"
"""``model_type`` of backbones with pretrained weights (`PretrainedBackbone`)."""

ImageInput = Literal["silhouette", "parts", "heatmaps", "photo"]


class RegressorConfig(BaseModel):
    """Everything that determines the weights of a checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body: str = "open"
    n_joints: int = Field(default=24, gt=0, le=1000)
    n_betas: int = Field(default=10, gt=0, le=1000)
    n_clothing: int = Field(default=0, ge=0, le=1000)
    size: int = Field(default=64, gt=0, le=2048, description="side of the person crop, pixels")
    pictures: tuple[ImageInput, ...] = ("silhouette", "parts")
    shape_pictures: tuple[ImageInput, ...] = Field(
        default=(),
        description="image inputs of a separate branch for betas and clothing; empty: no such branch",
    )
    keypoints: bool = Field(default=True, description="keypoint coordinates as input, beside the images")
    depths: bool = Field(default=False, description="rough keypoint depths of an observer as input")
    hypotheses: int = Field(default=4, gt=0, le=1000)
    width: int = Field(default=512, gt=0, le=65536, description="width of the layers after the backbone")
    depth: int = Field(default=2, ge=0, le=1000, description="residual blocks after the backbone")
    head: Literal["direct", "iterative"] = Field(
        default="direct", description="one linear layer, or iterative error feedback from the mean pose"
    )
    corrections: int = Field(default=3, gt=0, le=1000, description="iterations of the iterative head")
    heatmap_sigma: float = Field(default=0.04, gt=0, description="width of heatmaps, share of half the crop")
    backbone: dict[str, Any] = Field(
        default_factory=lambda: {
            "model_type": "resnet",
            "embedding_size": 32,
            "hidden_sizes": [32, 64, 128, 256],
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
        },
        description="transformers configuration, trained from scratch, of which channels and outputs are set here; "
        "`model_type: blazepose`, or `model_type: pretrained` with `name`: weights of the observer, of the hub or of a "
        "package, `frozen` or not",
    )

    @model_validator(mode="after")
    def _turned_views_alone(self) -> RegressorConfig:
        others = self.keypoints or self.depths or bool(self.shape_pictures)
        if self.is_turned and (others or self.pictures != ("photo",)):
            kind = self.backbone["model_type"]
            raise ValueError(f"{kind} turns its view of the photo: pictures: [photo], and no keypoints or depths")
        return self

    @property
    def is_turned(self) -> bool:
        """Whether the backbone sees people in turned views (`TurnedView`)."""
        return bool(self.pictures) and self.backbone.get("model_type") in (BLAZEPOSE, PRETRAINED)

    def uses(self, image: ImageInput) -> bool:
        """Whether any branch has this image input."""
        return image in self.pictures or image in self.shape_pictures

    @property
    def input_kinds(self) -> set[str]:
        """Kinds of observations that the network uses: mask, part map, keypoints, photo. One of them is required."""
        names = {"silhouette": "mask", "parts": "part map", "heatmaps": "keypoints", "photo": "photo"}
        kinds = {names[image] for image in (*self.pictures, *self.shape_pictures)}
        return kinds | {"keypoints"} if self.keypoints else kinds
