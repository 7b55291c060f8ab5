"""roma, the library of rotations, imported without torch's compiler.

Import it from here: ``from render_fit.core.rotations import roma``. When roma 1.8 is imported, it excludes two
functions from compilation with ``torch._dynamo.disable``. This imports torch's compiler with sympy and
torch.distributed, which takes as long as importing torch. Here the exclusion is put off until one of the two functions
is called, which roma does only while it is compiled.
"""

from collections.abc import Callable
from typing import Any

import torch

from render_fit.core.deferred_imports import deferred


def _exclude_when_called(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch._disable_dynamo(lambda *arguments: function(*arguments))


with deferred("torch._dynamo", disable=_exclude_when_called):
    import roma

__all__ = ["roma"]
