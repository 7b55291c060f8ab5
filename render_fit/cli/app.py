"""The application: its commands, and how errors are printed."""

from __future__ import annotations

import inspect
import logging
import re
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import render_fit
from render_fit.cli.body import body_app
from render_fit.cli.convert import convert
from render_fit.cli.demo import demo
from render_fit.cli.doctor import doctor
from render_fit.cli.evaluate import evaluate
from render_fit.cli.experiment import experiment
from render_fit.cli.export import export
from render_fit.cli.fit import fit, predict
from render_fit.cli.fit_person import fit_person
from render_fit.cli.measure import measure
from render_fit.cli.prior import prior_app
from render_fit.cli.recipe import recipe_app
from render_fit.cli.render import render
from render_fit.cli.summary import summary
from render_fit.cli.train import finetune, regressor_app, synthesize, train
from render_fit.cli.view import view
from render_fit.core.errors import InputError, MissingDependencyError, is_interruption, of_the_system
from render_fit.core.memory import is_out_of_memory

FAILED = 1
USER_MISTAKE = 2
INTERRUPTED = 130

RENAMED_OPTIONS = {"--make-parts": "--parts-from-keypoints", "--motion": "--mocap", "--focal-mm": "--focal-35mm"}
"""Old names of options, accepted with a warning until 0.3."""


class Commands(TyperGroup):
    """A user's mistake is one line on stderr and exit code 2; Ctrl-C is exit code 130. Neither prints a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # Typer brings its own click without a public Context
        """Replaces old names of options by today's."""
        for number, word in enumerate(args):
            name, equals, value = word.partition("=")
            if name in RENAMED_OPTIONS:
                new = RENAMED_OPTIONS[name]
                print(f"render-fit: {name} is now called {new}; the old name will be removed", file=sys.stderr)
                args[number] = new + equals + value
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except (InputError, MissingDependencyError) as error:
            _tell(str(error))
            ctx.exit(USER_MISTAKE)
        except KeyboardInterrupt:
            _tell("interrupted")
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if is_interruption(error):
                _tell("interrupted")
                ctx.exit(INTERRUPTED)
            if isinstance(error, OSError) and (mistake := of_the_system(error)) is not None:
                _tell(str(mistake))
                ctx.exit(USER_MISTAKE)
            if not is_out_of_memory(error):
                raise
            _tell("not enough memory for this; a fit needs about 1 GB: end other programs, or use fewer --jobs")
            ctx.exit(FAILED)


def _tell(sentence: str) -> None:
    """Prints one line on stderr, without what a terminal would take for commands: it may repeat a file's content."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(sentence.split()))
    print(f"render-fit: {line}", file=sys.stderr)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for command in (
    fit, fit_person, predict, summary, view, render, measure, export, convert, evaluate, demo, doctor, train, finetune,
    synthesize, experiment,
):  # fmt: skip
    # paragraphs as one line each: rich wraps them to the terminal, but keeps line breaks
    app.command(help=re.sub(r"(?<=\S)\n(?=\S)", " ", inspect.cleandoc(command.__doc__ or "")))(command)
for name, commands in {"recipe": recipe_app, "body": body_app, "regressor": regressor_app, "prior": prior_app}.items():
    app.add_typer(commands, name=name)


def _version(wanted: bool) -> bool:
    if wanted:
        print(f"render-fit {render_fit.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """3D bodies from photos: pose, shape and clothing fitted through a differentiable renderer.

    Start with [bold]render-fit demo[/bold], then [bold]render-fit fit photo.jpg --out out[/bold].
    """
    # Other libraries' messages are not printed, unless a command asks for them. The renderer warns while it compiles
    # its kernels, which takes about 20 s at the first run; recipes warn of old names of keys.
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for name in ("render_fit.renderers", "render_fit.core.config", "render_fit.training"):
        logging.getLogger(name).setLevel(logging.WARNING)
