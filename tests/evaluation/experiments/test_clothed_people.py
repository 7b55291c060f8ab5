"""The experiment on clothed people: circumferences, surface distances, the people, and a small run."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.evaluation.experiments.clothed_people import FIGURES, GROUPS, N_PEOPLE, OBSERVED, clothed_views
from render_fit.evaluation.experiments.runner import run_experiment
from render_fit.evaluation.experiments.settings import ExperimentConfig
from render_fit.evaluation.girths import GIRTHS, Ring, girth_errors, girth_rings
from render_fit.evaluation.surfaces import chamfer, outer_points
from render_fit.synthesis.poses.everyday import FREQUENCIES


def rest_of(betas=None):
    body = open_body()
    betas = torch.zeros(1, body.n_betas) if betas is None else betas
    vertices = body.rest_vertices(betas)[0].double().numpy()
    return body, vertices, body.rest_joints(betas)[0].double().numpy()


def test_a_circumference_is_the_perimeter_of_the_hull_of_the_ring():
    # edges along y that are cut halfway: a unit square with a dent
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0.5, 0.5], [0, 1]])
    vertices = np.array([(x, y, z) for x, z in corners for y in (0.0, 2.0)])
    ring = Ring(np.arange(10).reshape(5, 2), np.full(5, 0.5))
    assert ring.circumference(vertices) == pytest.approx(4)
    assert ring.circumference(vertices * (2, 1, 2)) == pytest.approx(8)


def test_circumferences_are_those_of_an_adult_and_follow_the_girth_alone():
    body, vertices, joints = rest_of()
    rings = girth_rings(vertices, body.faces.numpy(), body.vertex_parts.numpy(), joints)
    sizes = {name: ring.circumference(vertices) for name, ring in rings.items()}
    # ranges of adults (ANSUR II: 5th percentile of women to 95th of men), metres
    assert 0.8 < sizes["chest"] < 1.25 and 0.65 < sizes["waist"] < 1.15 and 0.85 < sizes["hips"] < 1.2
    assert sizes["waist"] < sizes["hips"]
    scaled = girth_errors(1.3 * vertices, vertices, rings)
    assert set(scaled) == set(GIRTHS) and max(map(abs, scaled.values())) < 1e-9
    wider = girth_errors(vertices * (1, 1, 1.1), vertices, rings)
    assert all(0.01 < error < 0.08 for error in wider.values())


def test_the_chamfer_distance_of_shifted_and_of_hidden_surfaces():
    body, vertices, _ = rest_of()
    faces = body.faces.numpy()
    points = outer_points(vertices, faces)
    assert len(points) > 2000
    assert chamfer(points, points) == 0
    # what is inside is not part of the outer surface
    middle = vertices[body.vertex_parts.numpy() == 0].mean(axis=0)
    shrunk = middle + 0.15 * (vertices - middle)
    both = np.concatenate([vertices, shrunk]), np.concatenate([faces, faces + len(vertices)])
    np.testing.assert_allclose(outer_points(*both), points)
    plane = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0), [0.0]), axis=-1).reshape(-1, 3)
    assert chamfer(plane, plane + (0, 0, 0.4)) == pytest.approx(0.4)


def test_the_people_have_the_activities_of_photos_and_do_not_depend_on_the_limit(shared_data: Path):
    views = clothed_views(ExperimentConfig(Path("unused"), data=shared_data))
    assert [view.number for view in views] == list(range(N_PEOPLE))
    for name, share in FREQUENCIES.items():
        assert [view.activity for view in views].count(name) == pytest.approx(share * N_PEOPLE, abs=1)
    # in random order: the first 24 are not all of the first activity
    assert len({view.activity for view in views[:24]}) > 4
    again = clothed_views(ExperimentConfig(Path("unused"), data=shared_data, limit=2))
    torch.testing.assert_close(views[1].pose, again[1].pose)


@pytest.mark.parametrize("bottom", ["trousers", "shorts", "skirt", "dress"])
@pytest.mark.parametrize("outerwear", ["none", "jacket", "open jacket", "coat", "open coat"])
def test_everybody_is_in_one_group(bottom: str, outerwear: str):
    row = {"bottom": bottom, "outerwear": outerwear}
    own = [name for name, wears in GROUPS.items() if wears(row)]
    assert len(own) == 1
    assert (own[0] == "skirts, dresses, coats") == (bottom in ("skirt", "dress") or "coat" in outerwear)


def test_a_small_run_reports_all_three_observations(shared_data: Path, tmp_path: Path):
    result = run_experiment("clothed-people", tmp_path, data=shared_data, limit=2, recipes=("predict",))
    assert len(result.people) == 2
    for person in result.people:
        for name in FIGURES:
            for which in OBSERVED:
                assert math.isfinite(person.values[f"{name}_{which}"])
    assert set(result.summary[FIGURES["pve_t_sc"]]) == set(OBSERVED)
    assert (tmp_path / "clothed-people.png").stat().st_size > 0
