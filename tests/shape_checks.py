"""The run-time checker of shapes and types, for the first calls of each test.

Fits and trainings call the same functions many thousand times, and checks take as long as what they check. What goes
wrong shows in the first calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from beartype import beartype
from jaxtyping import config

CHECKED_CALLS = 2_000
"""Calls of functions with annotations that are checked in each test, in the order in which they are made."""

_made = 0


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """`beartype`, until `CHECKED_CALLS` calls have been checked."""
    checks = beartype(function)

    @functools.wraps(checks)
    def counted(*args: Any, **kwargs: Any) -> Any:
        global _made
        _made += 1
        if _made >= CHECKED_CALLS:
            config.update("jaxtyping_disable", True)
        return checks(*args, **kwargs)

    return counted


def check_again() -> None:
    """Starts anew, for the next test."""
    global _made
    _made = 0
    config.update("jaxtyping_disable", False)
