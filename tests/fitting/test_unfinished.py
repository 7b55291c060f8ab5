"""A run over many images of a person that is stopped goes on where it stopped, and ends with the same fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.fitting import single_fits
from render_fit.fitting.person import PersonFit, fit_person
from render_fit.fitting.recipe import Recipe, load_recipe
from render_fit.fitting.resolve import ResolvedRecipe, resolve
from render_fit.fitting.unfinished import UnfinishedFits
from render_fit.observations import Observation
from render_fit.synthesis.clothed_people import clothed_person
from render_fit.synthesis.poses.named import everyday_pose


@pytest.fixture(scope="module")
def resolved() -> ResolvedRecipe:
    recipe = load_recipe("hybrid")
    short = [
        stage.model_copy(update={"solver": stage.solver.model_copy(update={"iterations": 3})})
        for stage in recipe.stages
    ]
    return resolve(Recipe.model_validate(recipe.model_copy(update={"stages": tuple(short)}).model_dump()))


@pytest.fixture(scope="module")
def images() -> list[Observation]:
    body = open_body()
    return [
        clothed_person(body, everyday_pose("waving"), seed, betas=torch.zeros(10), yaw_rad=0.3).observation(body)
        for seed in range(2)
    ]


class Counted:
    """Counts the batches whose stages are run; ``stop``: Ctrl-C in the batch of this number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop: int | None = None) -> None:
        self.batches, run = 0, single_fits.run_stages

        def counted(*args, **kwargs):
            self.batches += 1
            if self.batches == stop:
                raise KeyboardInterrupt
            return run(*args, **kwargs)

        monkeypatch.setattr(single_fits, "run_stages", counted)


def same(one: PersonFit, other: PersonFit) -> bool:
    def numbers(fit: PersonFit) -> list[torch.Tensor]:
        results = [result for result in fit.results if result is not None and result.before is not None]
        assert len(results) == 2
        poses = [tensor for one in results for tensor in (one.parameters.rotations, one.before.rotations)]
        return [fit.betas, fit.betas_covariance, *poses, *(one.joints_covariance for one in results)]

    return all(torch.equal(a, b) for a, b in zip(numbers(one), numbers(other), strict=True))


@pytest.mark.parametrize("video", [False, True], ids=["photos", "video"])
def test_a_stopped_run_goes_on_and_ends_with_the_same_fit(video, resolved, images, tmp_path, monkeypatch):
    monkeypatch.setattr(single_fits, "SIDE_BY_SIDE", 1)
    seconds = [0.0, 0.1] if video else None

    def fit(kept: UnfinishedFits | None) -> PersonFit:
        return fit_person(images, resolved, clothing="none", seconds=seconds, unfinished=kept)

    whole = fit(None)
    stopped = 4 if video else 2  # of a video, the second of the batches after the sequence was chosen
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        Counted(patch, stop=stopped)
        fit(UnfinishedFits(tmp_path / "kept", {"images": "these"}))
    with monkeypatch.context() as patch:
        counted = Counted(patch)
        went_on = fit(UnfinishedFits(tmp_path / "kept", {"images": "these"}))
    assert counted.batches == (4 if video else 2) - (stopped - 1)
    assert same(went_on, whole)


def test_fits_of_other_inputs_and_damaged_ones_are_made_again(resolved, images, tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    fit_person(images[:1], resolved, clothing="none", unfinished=UnfinishedFits(folder, {"images": "these"}))
    (file,) = folder.iterdir()
    for damage, made_from in ((False, "these"), (False, "others"), (True, "others")):
        if damage:
            file.write_bytes(file.read_bytes()[:-100])
        with monkeypatch.context() as patch:
            counted = Counted(patch)
            kept = UnfinishedFits(folder, {"images": made_from})
            fit_person(images[:1], resolved, clothing="none", unfinished=kept)
        assert counted.batches == (0 if made_from == "these" else 1)
    UnfinishedFits(folder, {}).remove()
    assert not folder.exists()


def test_nothing_is_left_behind_if_there_was_nothing(tmp_path: Path):
    UnfinishedFits(tmp_path / "kept", {}).remove()
    assert list(tmp_path.iterdir()) == []
