"""The experiments on people in several images: who is made, what is measured, and small runs."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.evaluation.experiments import measurement_intervals, turning_people
from render_fit.evaluation.experiments.images_of_one import (
    COUNTS,
    MOST,
    PosedPerson,
    body_and_clothes,
    turning_images,
    unrelated_images,
)
from render_fit.evaluation.experiments.runner import run_experiment
from render_fit.evaluation.surfaces import surface_distance
from render_fit.fitting.recipe import load_recipe
from render_fit.synthesis import everyday_pose


@pytest.fixture(scope="module")
def body():
    return open_body()


@pytest.fixture(scope="module")
def person():
    poses = torch.stack([everyday_pose(name) for name in ("standing", "walking")] * (MOST // 2))
    return PosedPerson(0, 7, poses)


def test_the_distance_of_surfaces_is_measured_to_triangles(body):
    vertices = body.rest_vertices(torch.zeros(1, body.n_betas))[0].double().numpy()
    faces = body.faces.numpy()
    assert surface_distance(vertices, faces, vertices, faces) < 1e-7
    # the same surface with other triangles, whose points are elsewhere
    middle = vertices[faces].mean(axis=1)
    inner = np.arange(len(faces)) + len(vertices)
    finer = np.concatenate([np.stack([faces[:, i], faces[:, (i + 1) % 3], inner], axis=1) for i in range(3)])
    assert surface_distance(vertices, faces, np.concatenate([vertices, middle]), finer) < 1e-5
    normals = np.zeros_like(vertices)
    across = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    thicker = vertices + 0.005 * normals / np.linalg.norm(normals, axis=1, keepdims=True)
    assert surface_distance(thicker, faces, vertices, faces) == pytest.approx(0.005, rel=0.1)


def test_unrelated_images_show_one_body(body, person):
    betas, clothes = body_and_clothes(body, person)
    for changing in (False, True):
        images = list(unrelated_images(body, person, changing=changing))
        assert len(images) == MOST == max(COUNTS)
        assert all(torch.equal(one.parameters.betas[0], betas) for one in images)
        assert len({one.dressed.clothes for one in images}) == (MOST if changing else 1)
        assert changing or images[0].dressed.clothes == clothes
        assert len({one.camera.K[0, 0, 0].item() for one in images}) == MOST


def test_somebody_who_turns_is_seen_from_all_sides_and_sways_little(body, person):
    images = list(turning_images(body, person, tight=True))
    forward = torch.stack([one.parameters.rotations[0, 0] @ torch.tensor([0.0, 0.0, 1.0]) for one in images])
    yaw = np.degrees(np.arctan2(forward[:, 0], -forward[:, 2]).numpy())
    apart = np.abs((yaw[:, None] - yaw[None] + 180) % 360 - 180)
    np.fill_diagonal(apart, 360)
    assert apart.min() > 20 and np.abs(yaw[0]) < 20
    assert apart[0, 1] == pytest.approx(180, abs=25)
    from_the_pose = torch.stack([one.parameters.pose[0, 1:] for one in images]) - everyday_pose("a_pose")[1:]
    assert 0.01 < from_the_pose.std() < 0.08
    worn = images[0].dressed.clothes
    assert worn.tight and worn.outerwear == worn.bag == "none" and worn.bottom == "trousers"


def test_tight_clothes_lie_close_to_the_body_and_its_outer_surface_at_rest_is_its_own(body, person):
    image = next(turning_images(body, person, tight=True))
    vertices, faces = turning_people._outer_at_rest(image, body)
    bare = body.rest_vertices(image.parameters.betas)[0].double().numpy()
    away = surface_distance(bare, body.faces.numpy(), vertices, faces)
    assert 0.004 < away < 0.012
    dressed = next(turning_images(body, PosedPerson(1, 11, person.poses), tight=False))
    assert dressed.dressed.clothes.bag == "none"


def quick_recipe(name: str, folder: Path) -> str:
    """A shipped recipe with one hypothesis, smaller pictures and fewer iterations."""
    recipe = load_recipe(name)
    stages = tuple(
        stage.model_copy(
            update={
                "flips": 0,
                "n_hypotheses": 1,
                "resolution": stage.resolution // 2,
                "solver": stage.solver.model_copy(update={"iterations": (stage.solver.iterations + 1) // 2}),
            }
        )
        for stage in recipe.stages
    )
    file = folder / f"{name}.yaml"
    file.write_text(recipe.model_copy(update={"stages": stages}).model_dump_json(exclude_defaults=True))
    return str(file)


@pytest.mark.parametrize("name", ["shared-shape", "measurement-intervals", "turning-people"])
def test_a_small_run(name: str, body, person, tmp_path: Path, monkeypatch):
    for module in ("shared_shape", "measurement_intervals", "turning_people"):
        monkeypatch.setattr(f"render_fit.evaluation.experiments.{module}.posed_people", lambda config, count: [person])
    monkeypatch.setattr("render_fit.evaluation.experiments.shared_shape.SEEN", {"unclothed": "unclothed"})
    if name == "turning-people":
        monkeypatch.setattr("render_fit.evaluation.experiments.images_of_one.COUNTS", (2,))
    monkeypatch.setattr("render_fit.evaluation.experiments.turning_people.SEEN", {"tight": "tight"})
    if name == "measurement-intervals":
        monkeypatch.setattr(measurement_intervals, "GIVEN", {"photo": (1, False, False), "both": (1, True, True)})
    images = {} if name == "measurement-intervals" else {"images": 2}
    recipe = quick_recipe("octopus" if name == "turning-people" else "hybrid", tmp_path)
    run_experiment(name, tmp_path, limit=1, recipes=(recipe,), **images)
    assert (tmp_path / f"{name}.json").is_file() and (tmp_path / f"{name}.csv").is_file()
    row = json.loads((tmp_path / f"{name}.json").read_text())["people"][0]
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    if name == "shared-shape":
        assert row["pve_t_sc_joint_1_unclothed"] == row["pve_t_sc_mean_1_unclothed"] < 60
        assert row["pve_t_sc_joint_2_unclothed"] != row["pve_t_sc_mean_2_unclothed"]
    elif name == "measurement-intervals":
        assert abs(row["stature_both"]) < 2 and row["stature_inside_both"]
        assert row["mass_sigma_both"] < row["mass_sigma_photo"]
    else:
        assert row["outer_sc_2_tight"] < row["body_sc_2_tight"] < 40 and row["iou_2_tight"] > 0.9
