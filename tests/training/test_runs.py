"""Set-up of trainings."""

import pytest

from render_fit.core.errors import InputError
from render_fit.training.processes import process_state


def test_processes_that_are_not_connected_are_refused(monkeypatch) -> None:
    assert process_state().is_main_process
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun sets it for two processes
    with pytest.raises(InputError, match=r"^2 processes were started.*ACCELERATE_USE_CPU=true$"):
        process_state()
