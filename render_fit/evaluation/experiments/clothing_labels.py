"""The predicted clothing labels of street photos against human ones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from render_fit.core import metrics
from render_fit.core.errors import NoPersonError
from render_fit.core.parts import ATR
from render_fit.datasets.images import PhotoSample, data_folder, read_ccp
from render_fit.evaluation.ccp_labels import ccp_as_atr
from render_fit.evaluation.clothing_labels import GROUPS, group_counts, group_ious
from render_fit.evaluation.experiments.photos_with_masks import RIGHT_PERSON_IOU
from render_fit.evaluation.experiments.runner import Row, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics
from render_fit.export.overlays import Pixels
from render_fit.observations import OBSERVERS, Observer, observe

LABELLING = "blazepose-parts"
"""Observer whose labels are compared."""

COUNTED = {"all": "whole photo", "person": "where the observer sees the person or a bag and humans labelled"}
"""Pixels that are counted."""


@lru_cache(maxsize=1)
def labelling_observer() -> Observer:
    """The observer that predicts labels, loaded once per process."""
    return OBSERVERS[LABELLING]()


def clothing_labels(config: ExperimentConfig) -> ExperimentResult:
    """30 street photos: IoU of predicted and human labels of skin, hair, clothes, shoes and bags."""
    people = run_all(_labelled_person, config.limited(read_ccp(data_folder(config.data))), config)
    right = [person for person in people if person.values["found"] == "right"]
    counts = {
        key: sum(torch.tensor(person.values[f"counts_{key}"]) for person in right) if right else None for key in COUNTED
    }
    summary: Row = {"people": len(people), "right person found": len(right)}
    for key, words in COUNTED.items():
        total = counts[key]
        for name, value in group_ious(total).items() if isinstance(total, Tensor) else ():
            summary[f"IoU, {words}: {name}"] = None if value is None else number(value, 3)
    for person in people:
        for key in COUNTED:
            person.values.pop(f"counts_{key}", None)
    return ExperimentResult("clothing-labels", people, summary, ("name", "found", "mean", *GROUPS))


def _labelled_person(sample: PhotoSample, config: ExperimentConfig) -> Metrics:
    try:
        (seen,) = observe(sample.image_path, observer=labelling_observer())
    except NoPersonError:
        return Metrics({"name": sample.name, "found": "missed"}, (), f"{sample.name} missed")
    assert sample.mask is not None and seen.mask is not None and seen.labels is not None and seen.image is not None
    mask = seen.mask >= 0.5
    human = ccp_as_atr(sample, seen)
    counts = {
        "all": group_counts(seen.labels, human),
        "person": group_counts(seen.labels, human, (mask | (seen.labels > 0)) & (human > 0)),
    }
    right = float(metrics.iou(mask[None], sample.mask[None])) >= RIGHT_PERSON_IOU
    values: Row = {"name": sample.name, "found": "right" if right else "mistaken"}
    values |= {name: None if value is None else number(value, 3) for name, value in group_ious(counts["all"]).items()}
    values |= {f"counts_{key}": value.tolist() for key, value in counts.items()}
    photo = (seen.image.permute(1, 2, 0) * 255).byte().numpy()
    pictures = (photo, _coloured(seen.labels), _coloured(human))
    return Metrics(values, pictures, f"{sample.name} mean IoU {values['mean']}")


def _coloured(labels: Int[Tensor, "h w"]) -> Pixels:
    return np.array(ATR.colours, dtype=np.uint8)[labels.numpy()]
