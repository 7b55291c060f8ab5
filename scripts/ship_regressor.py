"""Adds a trained regressor to those that ship with the package: float16, with a note on its training.

    render-fit train lifter --mocap FOLDER --out training/lifter
    python scripts/ship_regressor.py training/lifter lifter "recipe lifter, 22,000 steps, CMU motion capture"

The shipped lifter was trained in four parts: 14,000 of the recipe's 22,000 steps without extreme poses (their share 0,
thighs of seated people spread by 11 +- 20 degrees, knees evenly bent), then 7,200 steps from those weights
(`pretrained`) with extreme poses, learning rate 6e-4, warm-up 100, then 6,000 steps with the frequencies of
`synthesis.poses.everyday`, learning rate 4e-4, warm-up 200, average 0.998, then 1,600 steps at 2e-4, warm-up 50.
`nbf` was trained by `render-fit train nbf --steps 6000`, `hmr` by `render-fit train hmr`. Weights that were fine-tuned
on research photos do not ship: the licences of the photos do not allow it.
"""

import argparse
from pathlib import Path

from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.training.checkpointing import REGRESSOR

ASSETS = Path(__file__).parents[1] / "render_fit" / "regressors" / "assets"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("training", type=Path, help="folder of a training")
    parser.add_argument("name", help="name of the shipped regressor")
    parser.add_argument("note", help="note on its training, written to the header of the file")
    given = parser.parse_args()
    ASSETS.mkdir(exist_ok=True)
    path = ASSETS / f"{given.name}.safetensors"
    save_regressor(load_regressor(given.training / REGRESSOR), path, half=True, note=given.note)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
