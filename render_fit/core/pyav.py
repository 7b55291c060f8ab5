"""PyAV, which reads and writes videos, and is installed on request."""

from __future__ import annotations

from types import ModuleType

from render_fit.core.errors import MissingDependencyError


def pyav() -> ModuleType:
    """The module ``av``.

    Raises:
        MissingDependencyError: if it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError("videos are read and written by PyAV: pip install 'render-fit[video]'") from error
    return av
