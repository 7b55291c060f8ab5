from dataclasses import replace

import numpy as np
import pytest
import torch

from render_fit.bodies import BodyParameters
from render_fit.core.errors import InputError
from render_fit.export.fit_folder import write_fit
from render_fit.export.stages import MOST_HYPOTHESES, read_stages, write_stages
from render_fit.fitting.result import StageResult
from render_fit.renderers import make_renderer
from tests.fits import known_fit


def hypotheses(name, n, offsets=None):
    """N bodies that differ by number in pose, shape and place."""
    numbers = torch.arange(n).float()
    pose = torch.zeros(n, 24, 3)
    pose[:, 1, 0] = 0.1 * numbers
    clothes = None if offsets is None else torch.full((n, 5, 3), offsets)
    parameters = BodyParameters.from_rotvec(
        pose, numbers[:, None].expand(n, 10), numbers[:, None].expand(n, 3) + 2, clothes
    )
    return StageResult(name, parameters, 10 + numbers)


def test_stages_are_read_as_they_were_written(tmp_path):
    written = (hypotheses("search", 3), hypotheses("fine", 1, offsets=0.25))
    first, second = read_stages(write_stages(tmp_path / "stages.npz", written))
    assert (first.name, second.name) == ("search", "fine")
    assert first.losses.tolist() == [10, 11, 12] and second.losses.tolist() == [10]
    np.testing.assert_allclose(first.parameters.pose[:, 1, 0], [0, 0.1, 0.2], atol=1e-6)
    assert first.parameters.betas[:, 0].tolist() == [0, 1, 2]
    assert first.parameters.transl[:, 2].tolist() == [2, 3, 4]
    assert first.parameters.offsets is None
    assert second.parameters.offsets is not None and bool((second.parameters.offsets == 0.25).all())


def test_of_many_hypotheses_the_best_are_written(tmp_path):
    (stage,) = read_stages(write_stages(tmp_path / "stages.npz", [hypotheses("search", MOST_HYPOTHESES + 5)]))
    assert stage.losses.tolist() == [10 + number for number in range(MOST_HYPOTHESES)]


def test_a_hypothesis_that_diverged_in_its_loss_only_is_kept(tmp_path):
    stage = replace(hypotheses("search", 2), losses=torch.tensor([1.0, torch.nan]))
    (read,) = read_stages(write_stages(tmp_path / "stages.npz", [stage]))
    assert read.losses[0] == 1 and bool(read.losses[1].isnan())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"poses": None}, "lacks poses"),
        ({"poses": np.zeros((3, 71))}, "another shape"),
        ({"betas": np.full((3, 10), np.nan)}, "betas is of another shape, or not finite"),
        ({"trans": np.zeros((2, 3))}, "trans is of another shape"),
        ({"stage": np.array([0, 1, 2])}, "it has 1 stages, not 3"),
        ({"losses": np.array(["a", "b", "c"])}, "other types"),
    ],
)
def test_files_that_are_no_stages_are_told(tmp_path, change, words):
    path = write_stages(tmp_path / "stages.npz", [hypotheses("search", 3)])
    with np.load(path) as file:
        arrays = {**file, **change}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=words):
        read_stages(path)


def test_a_fit_writes_its_stages_if_asked_to(tmp_path):
    result = replace(known_fit(), stages=(hypotheses("search", 2),))
    draw = make_renderer("cpu")
    assert len(read_stages(write_fit(tmp_path / "a", result, draw, save=("stages",)) / "stages.npz")) == 1
    assert not (write_fit(tmp_path / "a", result, draw, save=()) / "stages.npz").exists()
