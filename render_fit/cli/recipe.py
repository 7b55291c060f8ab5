"""``render-fit recipe``: the recipes of the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

recipe_app = typer.Typer(help="List recipes, or print one to copy and change.", no_args_is_help=True)


@recipe_app.command("list")
def list_recipes() -> None:
    """List the shipped recipes of fits and of trainings with their descriptions and sources."""
    from rich.console import Console
    from rich.table import Table

    from render_fit.fitting.recipe import load_recipe, recipe_names
    from render_fit.training.recipe import load_training_recipe, training_recipe_names

    for title, names, load in (
        ("recipe", recipe_names(), load_recipe),
        ("training recipe", training_recipe_names(), load_training_recipe),
    ):
        table = Table(title, "description", "source", box=None, pad_edge=False)
        for name in names:
            recipe = load(name)
            table.add_row(name, recipe.description.strip(), recipe.source)
        Console().print(table)


@recipe_app.command("show")
def show_recipe(
    name: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a YAML file to validate.")],
) -> None:
    """Print a recipe of a fit or of a training as YAML. A file with the key "steps" is a training recipe.

    [bold]Example[/bold]: render-fit recipe show hybrid > mine.yaml; render-fit fit photo.jpg --recipe mine.yaml
    """
    from render_fit.core.config import nearest, shipped_recipes
    from render_fit.core.errors import InputError
    from render_fit.core.text_files import read_text

    path = Path(name)
    fits, trainings = shipped_recipes("render_fit.fitting"), shipped_recipes("render_fit.training")
    text = read_text(path, "a recipe (YAML)") if path.is_file() else ""
    if not text and name not in (*fits, *trainings):
        raise InputError(f"recipe {name!r}: {nearest(name, [*fits, *trainings])}, nor is it a file")
    from render_fit.fitting.recipe import load_recipe, recipe_text
    from render_fit.training.recipe import load_training_recipe, training_recipe_text

    if re.search("^steps:", text, flags=re.MULTILINE) or (not text and name not in fits):
        load_training_recipe(name)
        text = text or training_recipe_text(name)
    else:
        load_recipe(name)
        text = text or recipe_text(name)
    print(text.rstrip())
