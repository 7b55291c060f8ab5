"""Do the intervals of measurements contain the truth? One photo, known numbers, and several photos."""

from __future__ import annotations

from itertools import islice

import numpy as np

from render_fit.evaluation.experiments.images_of_one import PosedPerson, posed_people, unrelated_images
from render_fit.evaluation.experiments.runner import Row, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics, column
from render_fit.fitting.person import fit_person
from render_fit.losses.measurements import KnownWeight
from render_fit.losses.parameters import KnownHeight
from render_fit.measurements.measure import measure
from render_fit.measurements.uncertainty import intervals, measurement_covariance, values_and_jacobian

N_PEOPLE = 100

COVERAGE = 0.9
"""Probability of the intervals that are counted."""

GIVEN: dict[str, tuple[int, bool, bool]] = {
    "photo": (1, False, False),
    "height": (1, True, False),
    "height_weight": (1, True, True),
    "four_photos": (4, False, False),
}
"""Number of photos, and whether height and weight are known, with the errors that their terms assume."""

MEASURED = ("stature", "bust", "waist", "hip", "thigh", "calf", "upper_arm", "neck", "inside_leg", "mass")
"""Measurements whose intervals are counted."""


def measurement_intervals(config: ExperimentConfig) -> ExperimentResult:
    """100 clothed synthetic people: errors of measurements, and how often 90 % intervals contain the truth."""
    people = run_all(_person, list(config.limited(posed_people(config, N_PEOPLE))), config)
    summary: Row = {"people": len(people)}
    for name in MEASURED:
        unit = "kg" if name == "mass" else "cm"
        per = {which: np.array(column(people, f"{name}_{which}")) for which in GIVEN}
        sigma = {which: np.array(column(people, f"{name}_sigma_{which}")) for which in GIVEN}
        inside = {which: column(people, f"{name}_inside_{which}") for which in GIVEN}
        summary[f"{name}: share of {COVERAGE:.0%} intervals that contain the truth"] = {
            which: round(float(np.mean(values)), 3) for which, values in inside.items()
        }
        summary[f"{name}: mean absolute error, {unit}"] = {
            which: round(float(np.abs(values).mean()), 2) for which, values in per.items()
        }
        summary[f"{name}: mean error, {unit}"] = {which: round(float(v.mean()), 2) for which, v in per.items()}
        summary[f"{name}: mean standard deviation that is stated, {unit}"] = {
            which: round(float(values.mean()), 2) for which, values in sigma.items()
        }
    columns = ("number", *(f"waist{kind}_{which}" for which in GIVEN for kind in ("", "_sigma")))
    return ExperimentResult("measurement-intervals", people, summary, columns)


def _person(person: PosedPerson, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body = components.body
    images = list(
        islice(unrelated_images(body, person, changing=False), max(photos for photos, _, _ in GIVEN.values()))
    )
    observed = [one.observation(body) for one in images]
    true = {name: float(value[0]) for name, value in measure(body, images[0].parameters.betas, MEASURED).items()}
    by_height, by_weight = np.random.default_rng(person.seed).standard_normal(2).tolist()
    height_m = true["stature"] + KnownHeight(true["stature"]).sigma_m * by_height
    weight_kg = true["mass"] + KnownWeight(true["mass"]).sigma * by_weight
    values: Row = {"number": person.number}
    for which, (photos, height, weight) in GIVEN.items():
        fit = fit_person(
            observed[:photos],
            components.resolved,
            height_m=height_m if height else None,
            weight_kg=weight_kg if weight else None,
            clothing="none",
            seed=config.seed,
        )
        found, jacobian = values_and_jacobian(body, fit.betas[None], MEASURED)
        covariance = measurement_covariance(found[0], jacobian[0], fit.betas_covariance, MEASURED)
        for name, value, interval in zip(
            MEASURED, found[0].tolist(), intervals(found[0], covariance, COVERAGE), strict=True
        ):
            unit = 1 if name == "mass" else 100
            values[f"{name}_{which}"] = number(unit * (value - true[name]), 3)
            values[f"{name}_sigma_{which}"] = number(unit * interval.sigma, 3)
            values[f"{name}_inside_{which}"] = interval.low <= true[name] <= interval.high
        values[f"betas_{which}"] = " ".join(f"{beta:.3f}" for beta in fit.betas.tolist())
    values["betas_true"] = " ".join(f"{beta:.3f}" for beta in images[0].parameters.betas[0].tolist())
    return Metrics(values)
