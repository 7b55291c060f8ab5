"""``render-fit recipe``: the fit recipes of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

recipe_app = typer.Typer(help="List fit recipes, or print one to copy and change.", no_args_is_help=True)


@recipe_app.command("list")
def list_recipes() -> None:
    """List the shipped recipes with their descriptions and sources."""
    from rich.console import Console
    from rich.table import Table

    from render_fit.fitting.recipe import load_recipe, recipe_names

    table = Table("recipe", "description", "source", box=None, pad_edge=False)
    for name in recipe_names():
        recipe = load_recipe(name)
        table.add_row(name, recipe.description.strip(), recipe.source)
    Console().print(table)


@recipe_app.command("show")
def show_recipe(
    name: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a YAML file to validate.")],
) -> None:
    """Print a recipe as YAML.

    [bold]Example[/bold]: render-fit recipe show hybrid > mine.yaml; render-fit fit photo.jpg --recipe mine.yaml
    """
    from render_fit.fitting.recipe import load_recipe, recipe_text

    load_recipe(name)
    path = Path(name)
    print((path.read_text(encoding="utf-8") if path.is_file() else recipe_text(name)).rstrip())
