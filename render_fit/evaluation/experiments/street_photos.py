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
from render_fit.evaluation.ccp_labels import with_ccp_labels
from render_fit.evaluation.experiments.clothing_labels import labelling_observer
from render_fit.evaluation.experiments.photos_with_masks import RIGHT_PERSON_IOU, statuses
from render_fit.evaluation.experiments.runner import Row, fit_person, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.fit_errors import covered_pixels, render_views
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, mean_of, median_of
from render_fit.export.overlays import write_image
from render_fit.fitting.result import FitResult
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


FITS = {"alone": "image alone", "predicted": "predicted label map", "labels": "human mask and label map"}
"""What each photo is fitted to, three times."""

LABEL_MAPS = "parts"
"""Folder of the converted label maps in the output folder."""


def street_photos(config: ExperimentConfig) -> ExperimentResult:
    """30 street photos, image alone, with predicted and human labels: knees, clothes, body, agreement with labels.

    Writes the label maps, converted to ATR's labels, to ``parts/`` of the output folder.
    """
    (config.out / LABEL_MAPS).mkdir(parents=True, exist_ok=True)
    people = run_all(_street_person, config.limited(read_ccp(data_folder(config.data))), config)
    found = [person.values["found"] for person in people]
    right = [person for person in people if person.values["found"] == "right"]
    summary: Row = {
        "people": len(people),
        "right person found": len(right),
        "missed": found.count("missed"),
        "mistaken": found.count("mistaken"),
    }
    for key, name in FITS.items():
        summary |= {
            f"{name}: median flexion of the straighter knee, °": median_of(right, f"straighter_knee_{key}", 1),
            f"{name}: share of fits with both knees bent by more than {BENT_DEG}°": mean_of(right, f"bent_{key}"),
            f"{name}: median of the largest clothing offset, cm": median_of(right, f"offset_cm_{key}", 1),
            f"{name}: largest clothing offset, cm": max(column(right, f"offset_cm_{key}"), default=None),
            f"{name}: mean share of the unclothed body inside the human mask": mean_of(right, f"body_inside_{key}"),
            f"{name}: mean share of skin and tight garments that is covered": mean_of(right, f"tight_covered_{key}"),
            f"{name}: mean IoU with the human mask": mean_of(right, f"iou_{key}"),
            f"{name}: mean IoU without hair and loose garments": mean_of(right, f"iou_without_loose_{key}"),
            f"{name}: mean IoU of the unclothed body": mean_of(right, f"iou_body_{key}"),
            f"{name}: mean share of the mask that is unexplained": mean_of(right, f"unexplained_{key}"),
            f"{name}: largest |β|": max(column(right, f"beta_max_{key}"), default=None),
            f"{name}: status": statuses(people, f"status_{key}"),
            f"{name}: median seconds of a fit": median_of(people, f"seconds_{key}", 2),
        }
    apart = "median distance of the joints from those of the image alone (PA), mm"
    summary[f"{FITS['predicted']}: {apart}"] = median_of(right, "predicted_apart_mm", 1)
    summary[f"{FITS['labels']}: {apart}"] = median_of(right, "apart_mm", 1)
    each = ("straighter_knee", "offset_cm", "body_inside", "tight_covered", "iou", "iou_without_loose", "status")
    columns = ("name", "found", *(f"{column}_{key}" for column in each for key in FITS), "apart_mm")
    return ExperimentResult("street-photos", people, summary, columns)


def _street_person(sample: PhotoSample, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    try:
        (observation,) = observe(sample.image_path, observer=components.observer)
        (predicted,) = observe(sample.image_path, observer=labelling_observer())
    except NoPersonError:
        photo = read_photo(sample.image_path).image.permute(1, 2, 0).mul(255).byte().numpy()
        return Metrics({"name": sample.name, "found": "missed"}, (photo,), f"{sample.name} missed")
    assert sample.mask is not None and observation.mask is not None and observation.image is not None
    observed = float(metrics.iou((observation.mask >= 0.5)[None], sample.mask[None]))
    labelled = with_ccp_labels(sample, observation)
    assert labelled.labels is not None
    write_image(config.out / LABEL_MAPS / f"{sample.name}.png", labelled.labels.numpy().astype(np.uint8))
    seen = {"alone": observation, "predicted": predicted, "labels": labelled}
    fits = {key: fit_person(one, config) for key, one in seen.items()}
    values: Row = {
        "name": sample.name,
        "found": "right" if observed >= RIGHT_PERSON_IOU else "mistaken",
        "iou_observer": number(observed),
    }
    pictures = []
    for key, fit in fits.items():
        values |= {f"{name}_{key}": value for name, value in _fit_values(components.body, fit, sample).items()}
        views = render_views(
            observation.image, components.body, fit.parameters, fit.camera, torch.tensor(observation.box),
            components.renderer,
        )  # fmt: skip
        pictures += views if key == "alone" else views[1:]
    joints = {key: components.body(replace(fit.parameters, offsets=None)).joints.detach() for key, fit in fits.items()}
    values["apart_mm"] = number(1000 * metrics.pa_mpjpe(joints["alone"], joints["labels"]), 1)
    values["predicted_apart_mm"] = number(1000 * metrics.pa_mpjpe(joints["alone"], joints["predicted"]), 1)
    knees, offsets = (
        "/".join(f"{values[f'{name}_{key}']:.0f}" for key in FITS) for name in ("straighter_knee", "offset_cm")
    )
    return Metrics(values, tuple(pictures), f"{sample.name} knee {knees}°, {offsets} cm, {values['status_alone']}")


def _fit_values(body: Body, fit: FitResult, sample: PhotoSample) -> Row:
    """Columns of one fit."""
    assert sample.mask is not None
    clothed = fit.parameters
    joints = body(replace(clothed, offsets=None)).joints.detach().double().numpy()
    straighter = float(np.degrees(knee_flexion(joints).min()))
    offset = 0.0 if clothed.offsets is None else float(clothed.offsets.norm(dim=-1).max())
    unexplained = fit.report.unexplained_share
    return {
        "straighter_knee": number(straighter, 1),
        "bent": straighter > BENT_DEG,
        "offset_cm": number(100 * offset, 2),
        **label_shares(body, clothed, fit.camera, sample.mask, ccp_pixels(sample, TIGHT), ccp_pixels(sample, LOOSE)),
        "unexplained": None if unexplained is None else number(unexplained.after),
        "beta_max": number(clothed.betas.abs().max(), 2),
        "status": fit.report.status,
        "seconds": number(fit.report.seconds["total"], 2),
    }


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
