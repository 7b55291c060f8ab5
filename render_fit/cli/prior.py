"""``render-fit prior``: training and comparison of pose priors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from render_fit.cli.train import MOCAP_HELP, Seed

prior_app = typer.Typer(help="Train pose priors on motion capture, or compare them.", no_args_is_help=True)

Mocap = Annotated[Path, typer.Option("--mocap", help=MOCAP_HELP)]


@prior_app.command("train")
def train(
    kind: Annotated[
        Literal["vae", "adversarial"],
        typer.Argument(help="Autoencoder of poses, or discriminators of poses and shapes."),
    ],
    mocap: Mocap,
    out: Annotated[Path, typer.Option("--out", "-o", help="Output file (.safetensors).")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of training steps. Default: as shipped.", show_default=False)
    ] = None,
    seed: Seed = 0,
) -> None:
    """Train a prior on motion-capture poses. This takes minutes, and cannot be resumed after a stop.

    [bold]Example[/bold]: render-fit prior train vae --mocap data --out pose_vae.safetensors

    In a fit recipe: [bold]pose_vae: FILE[/bold], or the option [bold]path[/bold] of a loss term.
    """
    from rich.markup import escape

    from render_fit.core.progress_bar import ProgressBar
    from render_fit.training.priors import train_prior

    last = 0.0
    with ProgressBar() as bar:

        def watch(step: int, total: int, loss: float) -> None:
            nonlocal last
            last = loss
            bar.show(f"loss {loss:.2f}", step, total)

        train_prior(kind, mocap, out, steps=steps, seed=seed, on_step=watch)
    bar.console.print(f"loss {last:.2f}; {escape(str(out))}, {out.stat().st_size / 1000:.0f} kB")


@prior_app.command("compare")
def compare(
    mocap: Mocap,
    vae: Annotated[str, typer.Option(help="Autoencoder to compare: default (shipped) or a file.")] = "default",
    adversarial: Annotated[
        str, typer.Option(help="Discriminators to compare: default (shipped) or a file.")
    ] = "default",
    seed: Annotated[int, typer.Option(help="Seed of the implausible poses.")] = 0,
) -> None:
    """Compare how well each prior separates real from implausible poses.

    Prints the area under the ROC curve, the cost of a pose as the score. Real poses are those of held-out subjects.

    [bold]Example[/bold]: render-fit prior compare --mocap data
    """
    from rich.console import Console
    from rich.table import Table

    from render_fit.evaluation.pose_priors import evaluate_priors

    compared = evaluate_priors(mocap, vae, adversarial, seed)
    table = Table("implausible poses", *(name.removeprefix("pose_") for name in compared))
    for kind in next(iter(compared.values())).auc:
        table.add_row(kind, *(f"{found.auc[kind]:.3f}" for found in compared.values()))
    table.add_row("median cost of real poses", *(f"{found.real:.3g}" for found in compared.values()))
    Console().print(table)
