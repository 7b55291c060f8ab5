import numpy as np
import pytest
import torch

from render_fit.core.memory import is_out_of_memory


@pytest.mark.parametrize(
    "take",
    [lambda: torch.empty(10**15), lambda: np.empty(10**15), lambda: bytearray(10**15)],
    ids=["torch", "numpy", "Python"],
)
def test_errors_of_a_machine_without_memory_are_known(take):
    with pytest.raises((MemoryError, RuntimeError)) as error:
        take()
    assert is_out_of_memory(error.value)


def test_other_errors_are_not_taken_for_it():
    with pytest.raises(RuntimeError) as error:
        torch.ones(2) @ torch.ones(3)
    assert not is_out_of_memory(error.value)
    assert not is_out_of_memory(ValueError("cannot allocate memory"))
    assert not is_out_of_memory(OSError(28, "No space left on device"))
    assert is_out_of_memory(ImportError("libtorch_cpu.so: failed to map segment from shared object"))
