"""Puts a trained regressor among those that come with the package: half the size, and what it was trained by.

    render-fit train lifter --mocap FOLDER --out training/lifter
    python scripts/ship_regressor.py training/lifter lifter "recipe lifter, 22,000 steps, CMU motion capture"

The lifter that ships was trained in two parts: 14,000 of the recipe's 22,000 steps before it had limber people (their
share 0, thighs of seated people spread by 11 +- 20 degrees, knees evenly bent), then 7,200 steps from those weights
(`start`) with them, learning rate 6e-4, warm-up 100. `nbf` was trained by `render-fit train nbf --steps 6000`.
"""

import argparse
from pathlib import Path

from render_fit.regressors.checkpoint import load_regressor, save_regressor
from render_fit.training.checkpointing import REGRESSOR

ASSETS = Path(__file__).parents[1] / "render_fit" / "regressors" / "assets"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("training", type=Path, help="folder of a training")
    parser.add_argument("name", help="what it will be called")
    parser.add_argument("note", help="how it was trained; kept in the file's header")
    given = parser.parse_args()
    ASSETS.mkdir(exist_ok=True)
    path = ASSETS / f"{given.name}.safetensors"
    save_regressor(load_regressor(given.training / REGRESSOR), path, half=True, note=given.note)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
