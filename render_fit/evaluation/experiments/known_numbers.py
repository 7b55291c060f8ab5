"""What known numbers of a person add to one photo: errors of measurements and shape with height, weight and waist."""

from __future__ import annotations

import numpy as np

from render_fit.core import metrics
from render_fit.core.parts import ATR
from render_fit.evaluation.experiments.clothed_people import ClothedView, clothed_views
from render_fit.evaluation.experiments.runner import Row, load_components, number, run_all
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.tables import ExperimentResult, Metrics, column, mean_of
from render_fit.fitting.fit import fit_resolved
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.losses.measurements import KnownMeasurements
from render_fit.measurements.definitions import DENSITY_KG_M3, DENSITY_SIGMA_KG_M3
from render_fit.measurements.measure import measure
from render_fit.synthesis.clothed_people import clothed_person

KNOWN: dict[str, tuple[str, ...]] = {
    "photo": (),
    "height": ("height",),
    "height_weight": ("height", "weight"),
    "height_waist": ("height", "waist"),
}
"""What is known in each fit besides mask, keypoints and label map."""

MEASURED = ("stature", "bust", "waist", "hip", "thigh", "calf", "upper_arm", "neck", "inside_leg", "mass")
"""Measurements whose errors are reported."""

WAIST_SIGMA_M = 0.01
"""Standard deviation of the known waist, metres."""


def known_numbers(config: ExperimentConfig) -> ExperimentResult:
    """200 clothed synthetic people, given mask, keypoints and labels: with known height, weight and waist."""
    people = run_all(_person, list(config.limited(clothed_views(config))), config)
    summary: Row = {"people": len(people)}
    for name in MEASURED:
        unit = "kg" if name == "mass" else "cm"
        summary[f"{name}: mean absolute error, {unit}"] = {
            which: round(float(np.mean(np.abs(column(people, f"{name}_{which}")))), 2) for which in KNOWN
        }
    for name, words in {"pve_t": "PVE of the rest pose, mm", "pve_t_sc": "PVE-T-SC, mm"}.items():
        summary[words] = {which: mean_of(people, f"{name}_{which}", 1) for which in KNOWN}
    columns = ("number", *(f"{name}_{which}" for name in ("pve_t", "waist", "mass") for which in KNOWN))
    return ExperimentResult("known-numbers", people, summary, columns)


def _person(view: ClothedView, config: ExperimentConfig) -> Metrics:
    components = load_components(config)
    body = components.body
    seed = int(np.random.SeedSequence([config.seed, view.number]).generate_state(1)[0])
    person = clothed_person(body, view.pose, seed)
    true = {name: float(value[0]) for name, value in measure(body, person.parameters.betas, MEASURED).items()}
    random = np.random.default_rng(seed)
    weight_kg = true["mass"] * (1 + DENSITY_SIGMA_KG_M3 / DENSITY_KG_M3 * float(random.standard_normal()))
    waist_m = true["waist"] + WAIST_SIGMA_M * float(random.standard_normal())
    observation = person.observation(body, space=ATR)
    rest_true = body.rest_vertices(person.parameters.betas)
    values: Row = {"number": view.number}
    for which, known in KNOWN.items():
        recipe = components.resolved
        if "waist" in known:
            recipe = _holding(recipe, KnownMeasurements({"waist": waist_m}, WAIST_SIGMA_M))
        fit = fit_resolved(
            observation,
            recipe,
            height_m=true["stature"] if "height" in known else None,
            weight_kg=weight_kg if "weight" in known else None,
            seed=config.seed,
        )
        betas = fit.parameters.betas.detach()
        found = {name: float(value[0]) for name, value in measure(body, betas, MEASURED).items()}
        for name in MEASURED:
            values[f"{name}_{which}"] = number((1 if name == "mass" else 100) * (found[name] - true[name]), 2)
        rest = body.rest_vertices(betas)
        values[f"pve_t_{which}"] = number(1000 * metrics.pve(rest, rest_true, "translation"), 2)
        values[f"pve_t_sc_{which}"] = number(1000 * metrics.pve_t_sc(rest, rest_true), 2)
        values[f"seconds_{which}"] = number(fit.report.seconds["total"], 2)
    return Metrics(values)


def _holding(recipe: ResolvedRecipe, term: KnownMeasurements) -> ResolvedRecipe:
    """The recipe with a known measurement as a term of every stage."""
    given = {"body": recipe.body, "renderer": recipe.renderer, "regressor": recipe.regressor}
    return resolve(recipe.recipe, terms={"measurement": (1.0, term)}, **given)
