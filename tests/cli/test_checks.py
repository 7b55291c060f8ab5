"""The command line's early checks say what the library says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from render_fit.bodies import BODIES, load_body_or_fail
from render_fit.cli import checks
from render_fit.core.errors import InputError
from render_fit.core.part_names import PART_SPACE_NAMES
from render_fit.core.parts import PART_SPACES, part_space_named
from render_fit.fitting.recipe import load_recipe
from render_fit.observations import OBSERVERS, make_observer
from render_fit.regressors.checkpoint import load_regressor
from render_fit.renderers import RENDERERS, make_renderer
from render_fit.training.recipe import load_training_recipe


def message(check: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        check()
    return str(error.value)


@pytest.mark.parametrize(
    ("early", "late"),
    [
        (lambda: checks.check_recipe("hybird"), lambda: load_recipe("hybird")),
        (lambda: checks.check_recipe("liftr", training=True), lambda: load_training_recipe("liftr")),
        (lambda: checks.check_regressor("liftr"), lambda: load_regressor("liftr")),
        (lambda: checks.check_renderer("gpu"), lambda: make_renderer("gpu")),
        (lambda: checks.check_body("smpl.pkl"), lambda: load_body_or_fail("smpl.pkl")),
        (lambda: checks.check_observer("blazepos"), lambda: make_observer("blazepos")),
        (lambda: checks.check_observer("transformers:no.yaml"), lambda: make_observer("transformers:no.yaml")),
        (lambda: checks.check_part_labels("coco"), lambda: part_space_named("coco")),
    ],
)
def test_the_words_are_those_of_the_library(early: Callable[[], object], late: Callable[[], object]) -> None:
    assert message(early) == message(late)


def test_the_names_are_those_of_the_library() -> None:
    assert set(checks.BODIES.own) == set(BODIES.own)
    assert set(checks.RENDERERS.own) == set(RENDERERS.own)
    assert list(checks.OBSERVERS.own) == list(OBSERVERS.own)
    assert tuple(PART_SPACES) == PART_SPACE_NAMES


def test_what_exists_passes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    checks.check_files(tmp_path / "file", None)
    for name in ("lifter", "none", None, str(tmp_path / "file"), "owner/name"):
        checks.check_regressor(name)
    for name in ("auto", "cpu", None):
        checks.check_renderer(name)
    for name in ("open", str(tmp_path), None):
        checks.check_body(name)
    for name in ("hybrid", str(tmp_path / "file")):
        checks.check_recipe(name)
    for name in ("blazepose", f"transformers:{tmp_path / 'file'}", None):
        checks.check_observer(name)
    checks.check_output(tmp_path / "new")
    assert not (tmp_path / "new").exists()
