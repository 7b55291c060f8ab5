"""Recipes as text: whatever YAML stumbles over is told in one line."""

import pytest

from render_fit.core.config import StrictModel, parse_yaml
from render_fit.core.errors import MOST_LETTERS, InputError


class Small(StrictModel):
    name: str = ""


@pytest.mark.parametrize(
    "text",
    [
        "name: 2001-99-99",  # a date, to YAML
        "name: !!timestamp x",
        "name: !!int x",
        "name: " + "9" * 6000,  # more digits than Python converts
        "[" * 3000,
        "name: &a [*b]",
        "? [a]\n: b",
        "name: !!python/object:os.system x",
    ],
)
def test_yaml_that_cannot_be_read_is_an_input_error(text):
    with pytest.raises(InputError, match="^r.yaml: not valid YAML: ") as error:
        parse_yaml(text, "r.yaml", Small)
    assert "\n" not in str(error.value)


def test_long_keys_are_not_repeated_as_a_whole():
    with pytest.raises(InputError, match="r.yaml: unknown key 'xxx") as error:
        parse_yaml(f"? {'x' * 20_000}\n: 1", "r.yaml", Small)
    assert len(str(error.value)) <= MOST_LETTERS
    assert str(error.value).endswith("known: name")
