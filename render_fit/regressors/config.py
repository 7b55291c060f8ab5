"""What a regressor is: what it looks at, what it is made of, what it says."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Picture = Literal["silhouette", "parts", "heatmaps", "photo"]


class RegressorConfig(BaseModel):
    """Everything that a checkpoint's weights must agree with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body: str = "open"
    n_joints: int = Field(default=24, gt=0)
    n_betas: int = Field(default=10, gt=0)
    n_clothing: int = Field(default=0, ge=0)
    size: int = Field(default=64, gt=0, description="side of the view, pixels")
    pictures: tuple[Picture, ...] = ("silhouette", "parts")
    shape_pictures: tuple[Picture, ...] = Field(
        default=(),
        description="what betas and clothing are told from, by a branch of its own; empty: from all that pose is",
    )
    keypoints: bool = Field(default=True, description="keypoints as numbers, beside the pictures")
    depths: bool = Field(default=False, description="an observer's rough depths of keypoints, as numbers")
    hypotheses: int = Field(default=4, gt=0)
    width: int = Field(default=512, gt=0, description="of the layers after the backbone")
    depth: int = Field(default=2, ge=0, description="residual blocks after the backbone")
    head: Literal["direct", "iterative"] = Field(
        default="direct", description="one linear layer, or iterative error feedback from the mean pose"
    )
    corrections: int = Field(default=3, gt=0, description="of the iterative head")
    heatmap_sigma: float = Field(default=0.04, gt=0, description="of a keypoint's spot, share of half the view")
    backbone: dict[str, Any] = Field(
        default_factory=lambda: {
            "model_type": "resnet",
            "embedding_size": 32,
            "hidden_sizes": [32, 64, 128, 256],
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
        },
        description="a transformers configuration; its number of channels and its outputs are set here",
    )

    def sees(self, picture: Picture) -> bool:
        """Whether any branch looks at a kind of picture."""
        return picture in self.pictures or picture in self.shape_pictures

    @property
    def looks_at(self) -> set[str]:
        """What an observation must have some of: mask, part map, keypoints, photo."""
        names = {"silhouette": "mask", "parts": "part map", "heatmaps": "keypoints", "photo": "photo"}
        return {names[picture] for picture in (*self.pictures, *self.shape_pictures)} | (
            {"keypoints"} if self.keypoints else set()
        )
