"""Trainings as the command line starts them."""

import pytest

from render_fit.core.errors import InputError
from render_fit.training.runs import process_state


def test_processes_that_would_not_know_of_each_other_are_refused(monkeypatch) -> None:
    assert process_state().is_main_process
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun tells each of two
    with pytest.raises(InputError, match=r"^2 processes were started.*ACCELERATE_USE_CPU=true$"):
        process_state()
