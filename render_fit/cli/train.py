"""``render-fit train``, ``finetune`` and ``synthesize``: training of regressors; ``regressor export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from render_fit.cli import checks
from render_fit.cli.options import MOST_PROCESSES
from render_fit.core.errors import MissingDependencyError
from render_fit.datasets.photo_search import find_photos
from render_fit.pipelines.training_page.requirements import check_matplotlib

if TYPE_CHECKING:
    from render_fit.pipelines.training_page.page import TrainingPage

TrainingFolder = Annotated[
    Path, typer.Option("--out", "-o", help="Output folder; an existing training in it is resumed.")
]
RECIPE_HELP = "Training recipe: a name or a YAML file."
MOCAP_HELP = (
    "Folder with motion capture of mocap.cs.cmu.edu (free) as mocap/*.npz; its format: docs/training.md. AMASS and BVH "
    "files are not read."
)
Mocap = Annotated[
    Path | None,
    typer.Option(
        help=f"{MOCAP_HELP} Default: poses sampled from the shipped prior, which needs no files.",
        show_default=False,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Number of training steps. Default: the recipe's.", show_default=False),
]
Backgrounds = Annotated[
    Path | None,
    typer.Option(
        help="Folder of photos without people, behind the people of RGB images. Default: synthetic backgrounds.",
        show_default=False,
    ),
]
Features = Annotated[
    Path | None,
    typer.Option(
        help="Folder of cached features of a frozen backbone; trainings may share it. Default: OUT/features.",
        show_default=False,
    ),
]
Plot = Annotated[
    bool,
    typer.Option(
        "--plot",
        help="Draw OUT/index.html at every validation: plots, and predictions for the same few people or photos.",
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the random number generators.")]


def train(
    recipe: Annotated[str, typer.Argument(help=RECIPE_HELP)] = "lifter",
    out: TrainingFolder = Path("training"),
    mocap: Mocap = None,
    steps: Steps = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_PROCESSES,
            help="Processes that generate people. Default: half of the cores.",
            show_default=False,
        ),
    ] = None,
    backgrounds: Backgrounds = None,
    features: Features = None,
    plot: Plot = False,
) -> None:
    """Train a regressor on synthetic people generated on the fly. Run it again to resume after a stop.

    [bold]Examples[/bold]

      render-fit train lifter --out training/lifter

      render-fit train nbf --mocap data --out training/nbf

      render-fit train hmr --backgrounds photos/ --out training/hmr

      render-fit train mine.yaml --out training/mine --steps 2000 --plot

    To initialise fits from it: render-fit fit photo.jpg --regressor OUT/regressor.safetensors, or in a recipe
    [bold]initialisation: {regressor: OUT/regressor.safetensors}[/bold].

    OUT gets regressor.safetensors (the averaged weights that were best on held-out people), state.pt (the state to
    resume from), recipe.json, log.jsonl (losses and errors by step) and tensorboard/. With [bold]--plot[/bold] also a
    page, index.html; render-fit summary OUT draws it later, or while a training runs elsewhere. On several GPUs or
    machines: accelerate launch -m render_fit train ...
    """
    checks.check_recipe(recipe, training=True)
    if plot:
        check_matplotlib()
    if backgrounds is not None:
        find_photos([backgrounds])
    from render_fit.core.progress_bar import ProgressBar

    try:
        from render_fit.training.processes import process_state
        from render_fit.training.runs import run_training
    except ImportError as error:
        raise MissingDependencyError(f"training needs {error.name}: pip install 'render-fit[train]'") from error

    main, page = process_state().is_main_process, _page(out) if plot else None
    with ProgressBar(quiet=not main, lines=True) as bar:

        def watch(step: int, total: int, figures: dict[str, float]) -> None:
            words = f"loss {figures['total']:.3f}, joints {1000 * figures['joints']:.0f} mm"
            bar.show(words, step, total)
            if "held out: pa_mpjpe_mm" in figures:
                errors = [
                    f"{key[10:].removesuffix('_mm')} {value:.1f} mm" for key, value in figures.items() if key[0] == "h"
                ]
                bar.console.print(f"step {step}: held out: {', '.join(errors)}; {words}")

        result = run_training(
            recipe,
            out,
            mocap,
            steps=steps,
            workers=workers,
            backgrounds=backgrounds,
            features=features,
            on_step=watch,
            on_features=lambda done, total: bar.show("computing features", done, total),
            watcher=page,
        )
    best = "" if result.best is None else f", PA-MPJPE {result.best.pa_mpjpe_mm:.1f} mm on held-out people"
    bar.console.print(f"{result.steps} steps{best}; {out / 'regressor.safetensors'}")
    if page is not None and main:
        bar.console.print(f"page: {page.write()}", markup=False)


def finetune(
    images: Annotated[
        list[Path], typer.Argument(metavar="FOLDER", help="Photos, or folders of photos.", show_default=False)
    ],
    out: TrainingFolder = Path("finetuned"),
    regressor: Annotated[
        str | None,
        typer.Option(
            help="Regressor to fine-tune: a name, a .safetensors file, or owner/name on the hub. "
            "Default: the recipe's `pretrained`, or lifter."
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(help=RECIPE_HELP)] = "finetune",
    mocap: Mocap = None,
    steps: Steps = None,
    workers: Annotated[int, typer.Option(min=0, max=MOST_PROCESSES, help="Processes that generate people.")] = 1,
    backgrounds: Backgrounds = None,
    features: Features = None,
    plot: Plot = False,
) -> None:
    """Fine-tune a regressor on unlabelled photos by render-and-compare.

    [bold]Examples[/bold]

      render-fit finetune photos/ --out finetuned --plot

      render-fit finetune photos/ --regressor hmr --recipe pseudo-labels   # fits of the photos are the targets

    The observer finds mask and keypoints of the largest person in each photo (docs/observations.md). The
    regressor's prediction is rendered and compared with them. Each step also contains synthetic people with ground
    truth, which prevents forgetting. Objectives are in nats, the unit of −log probability: lower is better.

    With [bold]--plot[/bold] OUT/index.html shows the agreement with the photos by step, and for six of them the
    prediction before and after. It is drawn at every validation ([bold]validate_every[/bold] of the recipe).
    """
    find_photos(images)
    if plot:
        check_matplotlib()
    if backgrounds is not None:
        find_photos([backgrounds])
    checks.check_recipe(recipe, training=True)
    checks.check_regressor(regressor)
    from render_fit.core.progress_bar import ProgressBar

    try:
        from render_fit.training.finetuning import finetune as run
        from render_fit.training.processes import process_state
    except ImportError as error:
        raise MissingDependencyError(f"fine-tuning needs {error.name}: pip install 'render-fit[train]'") from error

    main, page = process_state().is_main_process, _page(out) if plot else None
    with ProgressBar(quiet=not main, lines=True) as bar:

        def watch(what: str, done: int, total: int, figures: dict[str, float]) -> None:
            words = f", {figures['unlabelled']:.0f} nats" if "unlabelled" in figures else ""
            bar.show(what + words, done, total)

        result = run(
            images,
            out,
            regressor,
            recipe,
            mocap,
            steps=steps,
            workers=workers,
            backgrounds=backgrounds,
            features=features,
            on_progress=watch,
            watcher=page,
        )
    for path, reason in result.skipped.items():
        bar.console.print(f"left out: {path}: {reason}", markup=False)
    was, now = result.before, result.after
    bar.console.print(
        f"{result.people} people: silhouette IoU {was.iou:.3f} → {now.iou:.3f}, "
        f"objective {was.objective:.0f} → {now.objective:.0f} nats; {result.regressor}"
    )
    if page is not None and main:
        bar.console.print(f"page: {page.write()}", markup=False)


def _page(out: Path) -> TrainingPage:
    """The page of a training."""
    from render_fit.pipelines.training_page.page import TrainingPage

    return TrainingPage(out)


def synthesize(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("people"),
    count: Annotated[int, typer.Option(min=1, help="Number of people.")] = 1000,
    size: Annotated[int, typer.Option(min=16, help="Side of the images, pixels.")] = 128,
    recipe: Annotated[str, typer.Option(help="Training recipe whose people are generated.")] = "lifter",
    mocap: Mocap = None,
    seed: Seed = 0,
) -> None:
    """Write synthetic people with ground truth: part maps, silhouettes and keypoints, exact and with observation noise.

    With the recipe of a network that takes RGB images, such as hmr, those are written too.

    [bold]Example[/bold]: render-fit synthesize --count 10000 --out people

    Existing files are kept: run it again to continue after a stop.
    """
    checks.check_recipe(recipe, training=True)
    from render_fit.core.progress_bar import ProgressBar
    from render_fit.training.runs import write_dataset

    with ProgressBar() as bar:
        for done in write_dataset(recipe, out, count, size, mocap, seed):
            bar.show("generating", done, count)
    bar.console.print(f"{count} people in {out}")


regressor_app = typer.Typer(help="Export a regressor to other runtimes.", no_args_is_help=True)


@regressor_app.command("export")
def export(
    regressor: Annotated[
        str, typer.Argument(help="Name, .safetensors file, or owner/name on the Hugging Face hub.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output file (.onnx).")] = Path("regressor.onnx"),
) -> None:
    """Export a regressor to ONNX, which runs without torch.

    [bold]Example[/bold]: render-fit regressor export training/lifter/regressor.safetensors --out lifter.onnx
    """
    checks.check_regressor(regressor)
    from render_fit.regressors.checkpoint import load_regressor
    from render_fit.regressors.onnx import export_onnx, input_names, output_names

    loaded = load_regressor(regressor)
    export_onnx(loaded, out)
    print(f"{out}: {', '.join(input_names(loaded.config))} → {', '.join(output_names(loaded.config))}")
