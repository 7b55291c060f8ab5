"""``render-fit regressor``: export of regressors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    from render_fit.regressors.checkpoint import load_regressor
    from render_fit.regressors.onnx import export_onnx, input_names, output_names

    loaded = load_regressor(regressor)
    export_onnx(loaded, out)
    print(f"{out}: {', '.join(input_names(loaded.config))} → {', '.join(output_names(loaded.config))}")
