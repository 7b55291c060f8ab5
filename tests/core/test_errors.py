"""Errors that are told apart."""

import pytest

from render_fit.core.errors import InputError, is_interruption
from render_fit.pipelines.photo import _attempt


def of_a_kernel() -> None:
    """What Ctrl-C becomes that reaches a compiled kernel."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise SystemError("returned a result with an exception set") from error


def test_ctrl_c_in_a_compiled_kernel_is_no_error_of_a_photo():
    with pytest.raises(KeyboardInterrupt):
        _attempt(of_a_kernel)
    assert isinstance(_attempt(int, "x"), ValueError)


def test_interruptions_are_known_from_other_errors():
    assert is_interruption(KeyboardInterrupt()) and not is_interruption(InputError("no"))
    assert not is_interruption(None)
