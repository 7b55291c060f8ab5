"""Small networks of the classes that the observer ``transformers`` loads, saved as the hub's folders.

Their weights are set by hand or trained on one picture here: a detector with given boxes, a pose network with given
keypoints relative to the box, a parser that knows one label map.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    ResNetConfig,
    ResNetForImageClassification,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrResNetConfig,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
    YolosConfig,
    YolosForObjectDetection,
)
from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil
from transformers.models.segformer.image_processing_pil_segformer import SegformerImageProcessorPil
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

from render_fit.core.parts import ATR
from render_fit.core.skeletons import COCO_17

COLUMNS, ROWS, PATCH, CELLS = 9, 12, 16, 4
"""Patches of the pose network's input, their side in pixels and in cells of its heat maps."""

PATCHES = {
    "nose": 2, "eye": 2, "ear": 2, "shoulder": 3, "elbow": 4, "wrist": 6, "hip": 6, "knee": 8, "ankle": 9,
}  # fmt: skip
"""Row of patches of each keypoint of the standing person."""

MEAN, STD = [0.2, 0.3, 0.4], [0.5, 0.6, 0.7]
"""Normalisation of the classifier's images."""

Boxes = Sequence[tuple[float, float, float, float]]
"""Centre x, centre y, width, height, as shares of the image."""


def save(model: Any, processor: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _solve(layer: torch.nn.Linear, features: torch.Tensor, wanted: torch.Tensor) -> None:
    """Sets a linear layer so that it gives the wanted rows for rows of features."""
    ones = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    solution = torch.linalg.lstsq(ones, wanted.double(), driver="gelsd").solution.float()
    with torch.no_grad():
        layer.weight.copy_(solution[:-1].T)
        layer.bias.copy_(solution[-1])


def rt_detr(folder: Path, box: tuple[float, float, float, float], score: float = 0.9) -> Path:
    """An RT-DETR of one query that finds a person at one place, whatever it sees."""
    torch.manual_seed(0)
    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[8, 16, 16], encoder_ffn_dim=16,
        encoder_attention_heads=2, d_model=16, num_queries=1, decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16,
        decoder_layers=1, decoder_attention_heads=2, id2label={0: "bicycle", 1: "Person", 2: "car"},
    )  # fmt: skip
    model = RTDetrForObjectDetection(config).eval()
    scores, place = model.model.decoder.class_embed[-1], model.model.decoder.bbox_embed[-1].layers[-1]
    chosen = model.model.enc_score_head
    with torch.no_grad():
        for layer in (scores, place, chosen):  # the first anchor is the query
            layer.weight.zero_()
            layer.bias.zero_()
        scores.bias[:] = torch.tensor([-4.0, torch.tensor(score).logit().item(), -4.0])
        model.model.enc_bbox_head.layers[-1].weight.zero_()
        model.model.enc_bbox_head.layers[-1].bias.zero_()
        before = model(torch.zeros(1, 3, 64, 64)).pred_boxes[0, 0]
        place.bias[:] = torch.tensor(box).logit() - before.logit()
    return save(model, RTDetrImageProcessorPil(size={"height": 64, "width": 64}), folder)


def _given_to(layer: torch.nn.Module, run: Callable[[], object]) -> torch.Tensor:
    """What a layer is given in a run."""
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0][0]))
    with torch.no_grad():
        run()
    hook.remove()
    return seen[-1]


def _without_blocks(model: torch.nn.Module) -> None:
    """Takes from a transformer's blocks all that they add: features are those of the tokens alone."""
    with torch.no_grad():
        for name, module in model.named_modules():
            if name.endswith(("attention.output.dense", "output.dense", "mlp.fc2")) and isinstance(
                module, torch.nn.Linear
            ):
                module.weight.zero_()
                module.bias.zero_()


def yolos(folder: Path, boxes: Boxes) -> Path:
    """A YOLOS that finds people at given places, whatever it sees; it has a class for "nothing"."""
    torch.manual_seed(0)
    config = YolosConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=[64, 64],
        patch_size=16, num_detection_tokens=len(boxes) + 1, id2label={0: "N/A", 1: "person"},
        use_mid_position_embeddings=False,
    )  # fmt: skip
    model = YolosForObjectDetection(config).eval()
    _without_blocks(model.vit)
    with torch.no_grad():
        model.vit.embeddings.detection_tokens.normal_()

    def run() -> object:
        return model(torch.zeros(1, 3, 64, 64))

    for head, wanted in (
        (model.bbox_predictor, torch.tensor([*boxes, (0.5, 0.5, 0.9, 0.9)]).logit()),
        (model.class_labels_classifier, torch.tensor([*([-3.0, 3.0, -3.0] for _ in boxes), [-3.0, -3.0, 3.0]])),
    ):
        _solve(head.layers[-1], _given_to(head.layers[-1], run), wanted)
    return save(model, RTDetrImageProcessorPil(size={"height": 64, "width": 64}), folder)


def patch_of(joint: str) -> tuple[int, int]:
    """Patch (row, column) of a keypoint of the standing person, who faces the camera: the left side is right."""
    side, _, name = joint.rpartition("_")
    return PATCHES[name], {"left": 5, "right": 3, "": 4}[side]


def vitpose(folder: Path, peak: float = 0.9, experts: int = 1) -> Path:
    """A ViTPose that sees everybody stand upright in the middle of the crop, whatever it sees."""
    torch.manual_seed(0)
    count = ROWS * COLUMNS
    backbone = VitPoseBackboneConfig(
        hidden_size=count, num_hidden_layers=1, num_attention_heads=1, image_size=[ROWS * PATCH, COLUMNS * PATCH],
        patch_size=[PATCH, PATCH], mlp_ratio=1, num_experts=experts, part_features=count // 2,
    )  # fmt: skip
    names = {i: name for i, name in enumerate(COCO_17.joints)}
    model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, id2label=names)).eval()
    _without_blocks(model.backbone)
    with torch.no_grad():
        for expert in getattr(model.backbone.encoder.layer[0].mlp, "experts", ()):
            expert.weight.zero_()
            expert.bias.zero_()
        projection = model.backbone.embeddings.patch_embeddings.projection
        projection.weight.zero_()
        projection.bias.zero_()
        # each patch has a feature of its own, which the layer norm makes root(count - 1)
        model.backbone.embeddings.position_embeddings.zero_()
        model.backbone.embeddings.position_embeddings[0, 1:] = torch.eye(count)
        head = model.head.conv
        head.weight.zero_()
        head.bias.zero_()
        for joint, name in enumerate(COCO_17.joints):
            row, column = patch_of(name)
            head.weight[joint, row * COLUMNS + column, 1, 1] = peak / (count - 1) ** 0.5
    size = {"height": ROWS * PATCH, "width": COLUMNS * PATCH}
    return save(model, VitPoseImageProcessorPil(size=size), folder)


def segformer(folder: Path, images: Sequence[np.ndarray], labels: Sequence[np.ndarray], steps: int = 60) -> Path:
    """A SegFormer with ATR's labels that has learned label maps of some images (H, W, 3), 8 bits."""
    torch.manual_seed(0)
    config = SegformerConfig(
        hidden_sizes=[16, 16, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=32,
        id2label={i: label.title() for i, label in enumerate(ATR.labels)}, classifier_dropout_prob=0.0,
        drop_path_rate=0.0,
    )  # fmt: skip
    model = SegformerForSemanticSegmentation(config)
    processor = SegformerImageProcessorPil(size={"height": 64, "width": 64})
    inputs = torch.cat([processor(Image.fromarray(image), return_tensors="pt")["pixel_values"] for image in images])
    small = [Image.fromarray(one.astype(np.uint8)).resize((64, 64), Image.Resampling.NEAREST) for one in labels]
    targets = torch.stack([torch.from_numpy(np.array(one)).long() for one in small])
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        model(pixel_values=inputs, labels=targets).loss.backward()
        optimiser.step()
    return save(model.eval(), processor, folder)


def save_classifier(folder: Path) -> Path:
    """A small classifier of whole images with random weights and statistics, normalised by `MEAN` and `STD`."""
    torch.manual_seed(3)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic", num_labels=3)
    network = ResNetForImageClassification(config)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            module.running_mean.normal_()
    network.save_pretrained(folder)
    values = {"image_mean": MEAN, "image_std": STD, "do_center_crop": True, "size": 224}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder
