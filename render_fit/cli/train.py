"""``render-fit train`` and ``render-fit synthesize``: what learns, and the data it learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from render_fit.cli.logging import show_messages
from render_fit.core.errors import MissingDependencyError

Mocap = Annotated[
    Path | None,
    typer.Option(
        "--mocap",
        help="Folder with the CMU motion capture (mocap/*.npz); without it, poses of the prior that ships.",
        show_default=False,
    ),
]


def train(
    recipe: Annotated[str, typer.Argument(help="Training recipe: a name or a YAML file.")] = "lifter",
    out: Annotated[Path, typer.Option("--out", "-o", help="The training's folder; one that exists goes on.")] = Path(
        "training"
    ),
    mocap: Mocap = None,
    steps: Annotated[int | None, typer.Option(min=1, help="In place of the recipe's.", show_default=False)] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that draw people; else half of the cores.", show_default=False)
    ] = None,
) -> None:
    """Train a regressor on people drawn on the spot; again, to go on where it stopped.

    [bold]Examples[/bold]

      render-fit train lifter --mocap data --out training/lifter

      render-fit train nbf --mocap data --out training/nbf

      render-fit train mine.yaml --out training/mine --steps 2000

    A recipe of `render-fit fit` begins with it by [bold]starts: {regressor: OUT/regressor.safetensors}[/bold].

    The folder gets regressor.safetensors (the best averaged weights on held-out people), state.pt (all that it takes to
    go on), recipe.json and tensorboard/. On several GPUs or machines: accelerate launch -m render_fit train ...
    """
    show_messages(False)
    from rich.console import Console

    from render_fit.cli.progress import progress_bar

    try:
        from render_fit.training.runs import process_state, run_training
    except ImportError as error:
        raise MissingDependencyError(f"training needs {error.name}: pip install 'render-fit[train]'") from error

    console = Console(highlight=False, soft_wrap=True, quiet=not process_state().is_main_process)
    with progress_bar(console) as progress:
        task = progress.add_task("reading", total=None)

        def watch(step: int, total: int, figures: dict[str, float]) -> None:
            words = f"loss {figures['total']:.3f}, joints {1000 * figures['joints']:.0f} mm"
            progress.update(task, description=words, completed=step, total=total)
            if "held out: pa_mpjpe_mm" in figures:
                told = [
                    f"{key[10:].removesuffix('_mm')} {value:.1f} mm" for key, value in figures.items() if key[0] == "h"
                ]
                progress.console.print(f"step {step}: held out: {', '.join(told)}; {words}")

        result = run_training(recipe, out, mocap, steps=steps, workers=workers, watch=watch)
    best = "" if result.best is None else f", PA-MPJPE {result.best.pa_mpjpe_mm:.1f} mm on held-out people"
    console.print(f"{result.steps} steps{best}; {out / 'regressor.safetensors'}")


def finetune(
    images: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Photos, or folders of photos.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The training's folder; one that exists goes on.")] = Path(
        "finetuned"
    ),
    regressor: Annotated[
        str,
        typer.Option(help="What to begin with: a name, a .safetensors file, or owner/name on the hub."),
    ] = "lifter",
    recipe: Annotated[str, typer.Option(help="Training recipe: a name or a YAML file.")] = "finetune",
    mocap: Mocap = None,
    steps: Annotated[int | None, typer.Option(min=1, help="In place of the recipe's.", show_default=False)] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that draw people.")] = 1,
) -> None:
    """Adapt a regressor to photos that nobody labelled, through the body and the renderer.

    [bold]Example[/bold]: render-fit finetune photos/ --out finetuned --mocap data

    The observer finds mask and keypoints of the largest person in every photo; what the regressor says of them is drawn
    and compared with that. People drawn on the spot are trained on beside them, so that nothing is unlearned.
    """
    show_messages(False)
    from rich.console import Console

    from render_fit.cli.progress import progress_bar

    try:
        from render_fit.training.finetuning import finetune as run
        from render_fit.training.runs import process_state
    except ImportError as error:
        raise MissingDependencyError(
            f"fine-tuning needs {error.name}: pip install 'render-fit[train,photo]'"
        ) from error

    console = Console(highlight=False, soft_wrap=True, quiet=not process_state().is_main_process)
    with progress_bar(console) as progress:
        task = progress.add_task("reading", total=None)

        def watch(what: str, done: int, total: int, figures: dict[str, float]) -> None:
            words = f", {figures['unlabelled']:.0f} nats" if "unlabelled" in figures else ""
            progress.update(task, description=what + words, completed=done, total=total)

        result = run(images, out, regressor, recipe, mocap, steps=steps, workers=workers, watch=watch)
    for path, reason in result.skipped.items():
        console.print(f"left out: {path}: {reason}", markup=False)
    was, now = result.before, result.after
    console.print(
        f"{result.people} people: silhouette IoU {was.iou:.3f} → {now.iou:.3f}, "
        f"objective {was.objective:.0f} → {now.objective:.0f} nats; {result.regressor}"
    )


def synthesize(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = Path("people"),
    count: Annotated[int, typer.Option(min=1, help="People.")] = 1000,
    size: Annotated[int, typer.Option(min=16, help="Side of the pictures, pixels.")] = 128,
    recipe: Annotated[str, typer.Option(help="Training recipe whose people are drawn.")] = "lifter",
    mocap: Mocap = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Draw people with truth: part maps, silhouettes and keypoints, as they are and as observers see them.

    A recipe whose network looks at pixels, such as hmr, adds pictures in colour.

    [bold]Example[/bold]: render-fit synthesize --count 10000 --mocap data --out people

    Files that exist are kept, so that a run that was stopped goes on.
    """
    show_messages(False)
    from rich.console import Console

    from render_fit.cli.progress import progress_bar
    from render_fit.training.runs import write_dataset

    console = Console(highlight=False, soft_wrap=True)
    with progress_bar(console) as progress:
        task = progress.add_task("drawing", total=count)
        for done in write_dataset(recipe, out, count, size, mocap, seed):
            progress.update(task, completed=done)
    console.print(f"{count} people in {out}")
