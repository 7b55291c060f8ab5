"""Fine-tuning: which regressor it starts from."""

from pathlib import Path

import pytest

from render_fit.training import finetuning


class _Asked(Exception):
    pass


@pytest.mark.parametrize(
    ("given", "in_recipe", "expected"), [(None, "", "lifter"), (None, "nbf", "nbf"), ("mine", "nbf", "mine")]
)
def test_the_regressor_is_the_given_one_else_that_of_the_recipe(
    given: str | None, in_recipe: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"name: mine\ndescription: a test\nsteps: 1\npretrained: '{in_recipe}'\n")

    def record(name: str) -> None:
        raise _Asked(name)

    monkeypatch.setattr(finetuning, "load_regressor", record)
    with pytest.raises(_Asked, match=expected):
        finetuning.finetune([str(tmp_path)], str(tmp_path / "out"), given, str(recipe))
