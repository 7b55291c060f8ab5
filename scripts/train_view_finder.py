"""Trains the view finder, the small network that finds in which view a person is head up.

    python scripts/train_view_finder.py --mocap FOLDER --people 23040 --steps 2000

People and images are those of the recipe hmr, with seed 0; regressors are trained on others. The shipped one was
trained on features that had been computed before, by the same network for the same images, in float16.
"""

import argparse
from pathlib import Path

import torch

from render_fit.regressors.blazepose import BlazePoseBackbone
from render_fit.regressors.onnx_look import onnx_look
from render_fit.regressors.view_finder import ASSET, save_view_finder
from render_fit.synthesis.poses.bank import load_pose_bank
from render_fit.training.recipe import load_training_recipe
from render_fit.training.runs import make_people_sampler
from render_fit.training.samples import GroundTruth, ground_truth, photo_inputs
from render_fit.training.view_finding import train_view_finder

CHUNK = 32
"""People who are rendered at a time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mocap", type=Path, help="folder of motion capture (docs/training.md)")
    parser.add_argument("--people", type=int, default=23040)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=ASSET)
    given = parser.parse_args()
    sampler = make_people_sampler(load_training_recipe("hmr"), load_pose_bank(given.mocap))
    backbone, generator = BlazePoseBackbone(), torch.Generator().manual_seed(0)
    backbone.look = onnx_look()
    features: list[torch.Tensor] = []
    truths: list[GroundTruth] = []
    for _ in range(-(-given.people // CHUNK)):
        drawn = sampler.sample(CHUNK, generator)
        photo = photo_inputs(sampler, drawn, generator).photo
        assert photo is not None
        features.append(backbone.first_features(photo).half())
        truths.append(ground_truth(sampler, drawn.people))
        print(f"{len(features) * CHUNK} of {given.people} people", end="\r", flush=True)
    network = train_view_finder(torch.cat(features), GroundTruth.joined(truths), given.steps)
    save_view_finder(network, given.out, f"{given.steps} steps on {given.people} people of the recipe hmr, seed 0")
    print(f"\n{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
