"""The experiments on results of other systems: what is made up, and small runs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.bodies import BodyParameters, load_smpl_file, open_body
from render_fit.evaluation.experiments import body_round_trips, neighbour_starts
from render_fit.evaluation.experiments.runner import run_experiment
from render_fit.evaluation.stand_in_bodies import nearest_betas, remeshed, write_smpl_stand_in
from render_fit.exchange.nearest_surface import TargetMesh
from render_fit.exchange.results import read_results
from render_fit.synthesis import everyday_pose, synthetic_scene


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(open_body(), everyday_pose("walking"), seed=3)


def test_another_topology_is_the_same_surface_with_other_vertices():
    body = open_body()
    vertices, faces = body.v_template.double().numpy(), body.faces.numpy()
    points, triangles = remeshed(vertices, faces)
    assert triangles.min() == 0 and triangles.max() == len(points) - 1 and len(triangles) == 4 * len(faces)
    apart, _ = TargetMesh(vertices).tree.query(points)
    assert np.median(apart) > 0.002  # edges are about a centimetre long
    distances = TargetMesh(vertices, faces).nearest(points).distances
    assert np.mean(distances) < 0.0005 and np.quantile(distances, 0.99) < 0.003
    # closed and outward: the volume by the divergence theorem is that of the old surface
    volumes = [
        np.einsum("fc,fc->f", np.cross(a, b), c).sum() / 6
        for a, b, c in (mesh[index].transpose(1, 0, 2) for mesh, index in ((vertices, faces), (points, triangles)))
    ]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.02)


def test_the_stand_in_is_another_body_that_comes_near_the_same_shapes(tmp_path: Path):
    file = write_smpl_stand_in(tmp_path / "SMPL_NEUTRAL.npz")
    betas = torch.linspace(-1, 1, 10)
    body, found = nearest_betas(file, betas)
    assert body.name == "smpl" and load_smpl_file(file).n_vertices == open_body().n_vertices
    own = open_body().rest_vertices(betas[None])[0]
    apart, _ = TargetMesh(body.rest_vertices(found[None])[0].double().numpy()).tree.query(own.double().numpy())
    assert 0.0005 < apart.mean() < 0.02  # six of the sixteen directions are missing


def test_perturbed_results_are_average_and_are_read_back(scene, tmp_path: Path):
    body, rng = open_body(), np.random.default_rng(0)
    true = BodyParameters(scene.parameters.rotations, torch.full((1, 10), 2.0), scene.parameters.transl)
    wrong = neighbour_starts.perturbed(body, true, rng)
    assert float(wrong.betas.mean()) == pytest.approx(2.0 * neighbour_starts.SHRUNK, abs=0.3)
    files = neighbour_starts.write_starts(tmp_path, body, wrong, scene)
    systems = {start: read_results(file)[0].system for start, file in files.items()}
    assert systems == {"mhr": "SAM 3D Body", "smpl": "4D-Humans", "smplx": "smplx parameters"}
    pelvis = body(wrong).joints[0, 0].numpy()
    for file in (files["smpl"], files["smplx"]):
        view = read_results(file)[0].view
        assert view is not None
        np.testing.assert_allclose(view.pelvis, pelvis, atol=1e-5)


def test_the_direction_of_mass_makes_people_heavier():
    body = open_body()
    direction = neighbour_starts._mass_direction(body)
    volume = [
        TargetMesh(body.rest_vertices(scale * direction[None])[0].double().numpy(), body.faces.numpy())
        for scale in (-2.0, 2.0)
    ]
    widths = [float(np.ptp(mesh.vertices[:, 2])) for mesh in volume]  # from chest to back
    assert float(direction.norm()) == pytest.approx(1.0) and widths[1] > 1.1 * widths[0]


def test_a_way_there_and_back_keeps_the_surface(tmp_path: Path):
    body, betas = open_body(), torch.linspace(-1, 1, 10).double()
    state = body_round_trips.Posed(torch.eye(3).double().repeat(24, 1, 1), betas, torch.zeros(3).double())
    file = body_round_trips.stand_in_file(tmp_path)
    values = body_round_trips._there_and_back(body, state, f"smpl:{file}", "smpl")
    assert values["smpl_there"] < 4 and values["smpl_back"] < 8 and values["smpl_back_max"] < 60


def test_small_runs(tmp_path: Path, shared_data: Path):
    run_experiment("neighbour-starts", tmp_path, limit=1, data=shared_data)
    summary = json.loads((tmp_path / "neighbour-starts.json").read_text())["summary"]
    assert summary["people"] == 1 and summary["MPJPE, mm, the recipe's own regressor"]["after"]["mean"] > 0
