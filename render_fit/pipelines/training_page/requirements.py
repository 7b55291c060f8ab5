"""What the page of a training needs to be installed."""

from importlib.util import find_spec

from render_fit.core.errors import MissingDependencyError


def check_matplotlib() -> None:
    """Checks that plots can be drawn, without importing anything.

    Raises:
        MissingDependencyError: if matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingDependencyError("plots of a training need matplotlib: pip install 'render-fit[train]'")
