"""``render-fit doctor``: installed packages, working components, and how to install what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib import metadata
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

import render_fit
from render_fit.core.threads import available_cores

REQUIRED = (
    "torch", "numpy", "scipy", "numba", "smplx", "roma", "pillow", "trimesh", "pydantic", "pyyaml", "typer",
    "transformers", "safetensors", "huggingface_hub",
)  # fmt: skip
OPTIONAL = {
    "mediapipe": 'observer to compare with: pip install "render-fit[mediapipe]"',
    "scikit-image": 'photo of the demo: pip install "render-fit[photo]"',
    "av": 'videos: pip install "render-fit[video]"',
    "pytorch3d": "renderer for CUDA: built from source, see docs/rendering.md",
    "accelerate": 'training of regressors: pip install "render-fit[train]"',
    "tensorboard": 'log of a training: pip install "render-fit[train]"',
    "matplotlib": 'plots of a training: pip install "render-fit[train]"',
    "onnx": 'export of regressors: pip install "render-fit[onnx]"',
    "onnxruntime": 'check of exported regressors: pip install "render-fit[onnx]"',
    "anny": 'build of the open body: pip install "render-fit[open-body]"',
}


def doctor() -> None:
    """Print installed packages, working renderers and observers, cache folders, cores and memory.

    Exit code: 0 if photos can be fitted, 1 if something needed for that is missing or broken.
    """
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"render-fit {render_fit.__version__}, Python {platform.python_version()}, {platform.platform()}")
    console.print(f"{available_cores()} cores, {_memory()}")
    console.print("\n[bold]packages[/bold]")
    missing = [name for name in REQUIRED if not _print_package(console, name, "required: pip install render-fit")]
    for name, purpose in OPTIONAL.items():
        _print_package(console, name, purpose)
    problems = [f"{name} is missing" for name in missing]
    if not missing:
        problems += _check_components(console)
    if problems:
        console.print(f"\n[red]not ready[/]: {'; '.join(problems)}")
        raise typer.Exit(1)
    console.print("\n[green]ready[/]: try render-fit demo")


def _print_package(console: Console, name: str, purpose: str) -> bool:
    try:
        console.print(f"  [green]✓[/] {name} {metadata.version(name)}")
        return True
    except metadata.PackageNotFoundError:
        console.print(f"  [dim]–[/] {name} not installed; {escape(purpose)}")
        return False


def _check_components(console: Console) -> list[str]:
    """Loads the body, renders it, loads the observer, reads the recipes; returns a line per failure."""
    import torch

    from render_fit.bodies import open_body
    from render_fit.core.cameras import camera_from_focal
    from render_fit.core.errors import MissingDependencyError
    from render_fit.core.files import cache_folder
    from render_fit.fitting.recipe import load_recipe, recipe_names
    from render_fit.observations import OBSERVERS
    from render_fit.renderers import make_renderer
    from render_fit.renderers.base import RenderSettings

    problems = []
    console.print("\n[bold]components[/bold]")
    device = f"CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no CUDA"
    console.print(f"  torch: {device}, {torch.get_num_threads()} threads")
    body = open_body()
    console.print(f"  body: {body.name}, {body.n_vertices} vertices, {body.n_betas} shape components")
    for name in ("cpu", "pytorch3d"):
        if name == "pytorch3d" and importlib.util.find_spec("pytorch3d") is None:
            console.print("  renderer pytorch3d: not installed")
            continue
        try:
            vertices = body(body.zero_parameters()).vertices + torch.tensor([0.0, 0.0, 3.0])
            camera = camera_from_focal(64.0, 64, 64)
            silhouette = make_renderer(name)(vertices, body.faces, camera, RenderSettings()).silhouette
            works = silhouette is not None and 0 < float(silhouette.mean()) < 1
        except Exception as error:  # whatever is wrong with a backend is reported
            works = False
            problems += [f"renderer {name}: {error}"] if name == "cpu" else []
        console.print(f"  renderer {name}: {'works' if works else '[red]does not work[/]'}")
    for name in OBSERVERS:
        if getattr(OBSERVERS[name], "needs_download", False):
            console.print(f"  observer {name}: not tried, its models come from the Hugging Face hub")
            continue
        try:
            console.print(f"  observer {name}: works ({OBSERVERS[name]().name})")
        except Exception as error:  # as above
            console.print(f"  observer {name}: [yellow]not available[/]: {escape(str(error))}")
            problems += [] if isinstance(error, MissingDependencyError) else [f"observer {name}: {error}"]
    for name in recipe_names():
        load_recipe(name)
    console.print(f"  recipes: {', '.join(recipe_names())}")
    kernels = os.environ.get("NUMBA_CACHE_DIR") or Path(render_fit.__file__).parent / "renderers/kernels/__pycache__"
    console.print(f"  caches: {cache_folder() or 'none: no home folder'} (body tables), {kernels} (compiled kernels)")
    return problems


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB memory"
    except (ValueError, OSError, AttributeError):
        return "memory unknown"
