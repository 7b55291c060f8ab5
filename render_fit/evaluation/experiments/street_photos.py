"""Fits of clothed people in street photos: whether body and clothes share the person's outline as they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core import metrics
from render_fit.core.cameras import Camera
from render_fit.core.errors import NoPersonError
from render_fit.datasets.images import PhotoSample, ccp_pixels, data_folder, read_ccp
from render_fit.datasets.mocap_activities import knee_flexion
from render_fit.evaluation.experiments.photos_with_masks import RIGHT_PERSON_IOU, statuses
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.fit_errors import covered_pixels, render_views
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, mean_of, median_of
from render_fit.export.overlays import side_view
from render_fit.observations import observe
from render_fit.observations.images import read_photo

TIGHT = (
    "skin", "jeans", "leggings", "stockings", "tights", "bodysuit", "swimwear", "socks", "shorts", "t-shirt", "bra",
    "panties", "intimate", "gloves",
)  # fmt: skip
"""Labels of pixels where the body is, or within about a centimetre."""

LOOSE = (
    "hair", "blazer", "cape", "cardigan", "coat", "dress", "hat", "hoodie", "jacket", "romper", "scarf", "skirt",
    "suit", "vest",
)  # fmt: skip
"""Labels of pixels where the body need not be."""

BENT_DEG = 30
"""Flexion of the straighter knee that hardly anybody has in these photos, where people stand or walk."""


def street_photos(config: ExperimentConfig) -> ExperimentResult:
    """30 street photos, given the image alone: knees, size of the clothing, body and clothes in the human labels."""
    people = run_all(_street_person, config.limited(read_ccp(data_folder(config.data))), config)
    found = [person.values["found"] for person in people]
    right = [person for person in people if person.values["found"] == "right"]
    summary: Row = {
        "people": len(people),
        "right person found": len(right),
        "missed": found.count("missed"),
        "mistaken": found.count("mistaken"),
        "median flexion of the straighter knee, °": median_of(right, "straighter_knee", 1),
        f"share of fits with both knees bent by more than {BENT_DEG}°": mean_of(right, "both_knees_bent"),
        "median of the largest clothing offset, cm": median_of(right, "offset_cm", 1),
        "largest clothing offset, cm": max(column(right, "offset_cm"), default=None),
        "mean share of the unclothed body inside the human mask": mean_of(right, "body_inside"),
        "mean share of skin and tight garments that is covered": mean_of(right, "tight_covered"),
        "mean IoU with the human mask": mean_of(right, "iou"),
        "mean IoU without the pixels of hair and loose garments": mean_of(right, "iou_without_loose"),
        "mean IoU of the unclothed body": mean_of(right, "iou_body"),
        "largest |β|": max(column(right, "beta_max"), default=None),
        "status": statuses(people),
        "median seconds of a fit": median_of(people, "seconds", 2),
    }
    columns = ("name", "found", "straighter_knee", "offset_cm", "body_inside", "tight_covered")
    columns += ("iou", "iou_without_loose", "iou_body", "beta_max", "status", "seconds")
    return ExperimentResult("street-photos", people, summary, columns)


def _street_person(sample: PhotoSample, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body, renderer = components.body, components.renderer
    try:
        (observation,) = observe(sample.image_path, observer=components.observer)
    except NoPersonError:
        photo = read_photo(sample.image_path).image.permute(1, 2, 0).mul(255).byte().numpy()
        return Metrics({"name": sample.name, "found": "missed"}, (photo,), f"{sample.name} missed")
    assert sample.mask is not None and observation.mask is not None and observation.image is not None
    observed = float(metrics.iou((observation.mask >= 0.5)[None], sample.mask[None]))
    fit = fit_person(observation, config)
    clothed, bare = fit.parameters, replace(fit.parameters, offsets=None)
    joints = body(bare).joints.detach().double().numpy()
    straighter = float(np.degrees(knee_flexion(joints).min()))
    offset = 0.0 if clothed.offsets is None else float(clothed.offsets.norm(dim=-1).max())
    values: Row = {
        "name": sample.name,
        "found": "right" if observed >= RIGHT_PERSON_IOU else "mistaken",
        "iou_observer": number(observed),
        "straighter_knee": number(straighter, 1),
        "both_knees_bent": straighter > BENT_DEG,
        "offset_cm": number(100 * offset, 2),
        **label_shares(body, clothed, fit.camera, sample.mask, ccp_pixels(sample, TIGHT), ccp_pixels(sample, LOOSE)),
        "beta_max": number(clothed.betas.abs().max(), 2),
        "status": fit.report.status,
        "seconds": number(fit.report.seconds["total"], 2),
    }
    pictures = render_views(observation.image, body, clothed, fit.camera, torch.tensor(observation.box), renderer)
    unclothed = side_view(body(bare).vertices[0].detach(), body.faces, renderer, size_px=len(pictures[-1]))
    caption = f"{sample.name} knee {values['straighter_knee']:.0f}°, {values['offset_cm']:.0f} cm, {values['status']}"
    return Metrics(values, (*pictures, unclothed), caption)


def label_shares(
    body: Body,
    parameters: BodyParameters,
    camera: Camera,
    person: Bool[torch.Tensor, "h w"],
    tight: Bool[torch.Tensor, "h w"],
    loose: Bool[torch.Tensor, "h w"],
) -> Row:
    """Agreement of a fit, clothed and unclothed, with human labels.

    Args:
        body: Body model.
        parameters: One body, with or without clothing offsets.
        camera: Camera of the photo.
        person: (H, W) pixels of the person.
        tight: (H, W) pixels of skin and tight garments.
        loose: (H, W) pixels of hair and loose garments.

    Returns:
        Columns of the table; None where there is no such pixel.
    """
    clothed = covered_pixels(body, parameters, camera)
    bare = covered_pixels(body, replace(parameters, offsets=None), camera)
    return {
        "body_inside": _share(bare & person, bare),
        "tight_covered": _share(clothed & tight, tight),
        "iou": _share(clothed & person, clothed | person),
        "iou_without_loose": _share(clothed & person & ~loose, (clothed | person) & ~loose),
        "iou_body": _share(bare & person, bare | person),
    }


def _share(part: Bool[torch.Tensor, "h w"], whole: Bool[torch.Tensor, "h w"]) -> float | None:
    return number(part.sum() / whole.sum()) if whole.any() else None
