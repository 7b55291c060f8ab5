"""``render-fit prior``: pose priors trained on motion capture, and how well they tell people's poses from others."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

prior_app = typer.Typer(help="Train priors on pose, or compare them.", no_args_is_help=True)

Mocap = Annotated[Path, typer.Option("--mocap", help="Folder with the CMU motion capture (mocap/*.npz).")]


class Kind(str, Enum):
    """The priors that learn."""

    vae = "vae"
    adversarial = "adversarial"


@prior_app.command("train")
def train(
    kind: Annotated[Kind, typer.Argument(help="An autoencoder of poses, or discriminators of poses and shapes.")],
    mocap: Mocap,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the weights (.safetensors).")],
    steps: Annotated[int | None, typer.Option(min=1, help="In place of the usual number.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Train a prior on people's poses. It takes minutes; one that was stopped begins anew.

    [bold]Example[/bold]: render-fit prior train vae --mocap data --out pose_vae.safetensors

    Recipes use it by [bold]pose_vae: FILE[/bold], or by a term's option [bold]path[/bold].
    """
    from rich.console import Console
    from rich.markup import escape

    from render_fit.cli.progress import progress_bar
    from render_fit.training.priors.runs import train_prior

    console = Console(highlight=False, soft_wrap=True)
    last = 0.0
    with progress_bar(console) as progress:
        task = progress.add_task("reading", total=None)

        def watch(step: int, total: int, loss: float) -> None:
            nonlocal last
            last = loss
            progress.update(task, description=f"loss {loss:.2f}", completed=step, total=total)

        train_prior(kind.value, mocap, out, steps=steps, seed=seed, watch=watch)
    console.print(f"loss {last:.2f}; {escape(str(out))}, {out.stat().st_size / 1000:.0f} kB")


@prior_app.command("compare")
def compare(
    mocap: Mocap,
    vae: Annotated[str, typer.Option(help="Autoencoder in place of the shipped one.")] = "default",
    adversarial: Annotated[str, typer.Option(help="Discriminators in place of the shipped ones.")] = "default",
    seed: Annotated[int, typer.Option(help="Of the impostors.")] = 0,
) -> None:
    """How often an impostor costs more than a held-out subject's pose (area under the ROC curve), prior by prior.

    [bold]Example[/bold]: render-fit prior compare --mocap data
    """
    from rich.console import Console
    from rich.table import Table

    from render_fit.evaluation.pose_priors import judge_priors

    judged = judge_priors(mocap, vae, adversarial, seed)
    table = Table("impostors", *(name.removeprefix("pose_") for name in judged))
    for kind in next(iter(judged.values())).auc:
        table.add_row(kind, *(f"{found.auc[kind]:.3f}" for found in judged.values()))
    table.add_row("real poses' median", *(f"{found.real:.3g}" for found in judged.values()))
    Console().print(table)
