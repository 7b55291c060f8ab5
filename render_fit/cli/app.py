"""The application: its commands, and how errors reach the user."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import render_fit
from render_fit.cli.body import body_app
from render_fit.cli.demo import demo
from render_fit.cli.doctor import doctor
from render_fit.cli.fit import fit, predict
from render_fit.cli.prior import prior_app
from render_fit.cli.recipe import recipe_app
from render_fit.cli.regressor import regressor_app
from render_fit.cli.render import render
from render_fit.cli.train import finetune, synthesize, train
from render_fit.core.errors import InputError, MissingDependencyError

USER_MISTAKE = 2
INTERRUPTED = 130


class OneLineErrors(TyperGroup):
    """A user's mistake is one line on stderr and exit code 2; Ctrl-C is exit code 130. Neither is a traceback."""

    def invoke(self, ctx: Any) -> Any:  # Typer brings its own click, whose Context has no public name
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (InputError, MissingDependencyError) as error:
            print(f"render-fit: {' '.join(str(error).split())}", file=sys.stderr)
            ctx.exit(USER_MISTAKE)
        except KeyboardInterrupt:
            print("render-fit: interrupted", file=sys.stderr)
            ctx.exit(INTERRUPTED)


app = typer.Typer(
    cls=OneLineErrors,
    help="3D bodies from photos: pose, shape and clothing fitted through a differentiable renderer.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command()(fit)
app.command()(predict)
app.command()(render)
app.command()(demo)
app.command()(doctor)
app.command()(train)
app.command()(finetune)
app.command()(synthesize)
app.add_typer(recipe_app, name="recipe")
app.add_typer(body_app, name="body")
app.add_typer(regressor_app, name="regressor")
app.add_typer(prior_app, name="prior")


def _version(wanted: bool) -> bool:
    if wanted:
        print(f"render-fit {render_fit.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """3D bodies from photos: pose, shape and clothing fitted through a differentiable renderer.

    Start with [bold]render-fit demo[/bold], then [bold]render-fit fit photo.jpg --out out[/bold].
    """
