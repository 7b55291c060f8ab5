"""Set-up of trainings."""

import pytest
import yaml

from render_fit.core.errors import InputError
from render_fit.core.files import prepare_output
from render_fit.core.locks import only_user_of
from render_fit.training.processes import process_state
from render_fit.training.runs import run_training


def test_processes_that_are_not_connected_are_refused(monkeypatch) -> None:
    assert process_state().is_main_process
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun sets it for two processes
    with pytest.raises(InputError, match=r"^2 processes were started.*ACCELERATE_USE_CPU=true$"):
        process_state()


def test_two_trainings_do_not_share_a_folder(recipe, tmp_path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    refused = pytest.raises(InputError, match="another process is working in this folder")
    with only_user_of(prepare_output(tmp_path / "out")), refused:  # as another process
        run_training(str(tmp_path / "small.yaml"), tmp_path / "out", workers=0)
    assert list((tmp_path / "out").iterdir()) == []
