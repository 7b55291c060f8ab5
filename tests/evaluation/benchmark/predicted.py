"""Output folders of fits with a known person, and annotations of the same person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from render_fit.bodies import open_body
from render_fit.core.skeletons import Skeleton
from render_fit.datasets.benchmarks.annotated_person import AnnotatedPerson
from render_fit.export.parameters import SavedFit, saved_fit, write_params
from tests.fits import known_fit


def known_person() -> SavedFit:
    """The known person, without clothes."""
    fit = known_fit(offsets=False)
    return saved_fit(fit.parameters, fit.output.joints, fit.camera, fit.body_name)


def write_prediction(folder: Path, saved: SavedFit | None = None, image: str | None = None, moved_m: float = 0) -> Path:
    """Writes the folder of a fit, moved to the right; with a report if ``image`` is its photo."""
    saved = known_person() if saved is None else saved
    shift = np.array([moved_m, 0, 0], dtype=np.float32)
    folder.mkdir(parents=True)
    write_params(folder / "params.npz", replace(saved, trans=saved.trans + shift, joints=saved.joints + shift))
    if image is not None:
        (folder / "report.json").write_text(json.dumps({"image": image}))
    return folder


def true_joints(skeleton: Skeleton) -> np.ndarray:
    """(K, 3) joints of the known person, camera coordinates, metres."""
    return open_body().keypoints(known_person().parameters(), skeleton)[0].numpy().astype(np.float64)


def annotated(image: str, **known: object) -> AnnotatedPerson:
    """Annotation of the known person, with her box."""
    return AnnotatedPerson(image=image, box_xywh=np.array([40.0, 40.0, 90.0, 160.0]), **known)
