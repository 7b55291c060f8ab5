"""Draws labelled crops of clothed people, and trains the decoder of clothing labels on them.

    python scripts/train_clothing_labels.py draw SHARDS --mocap FOLDER --backgrounds FOLDER --shards 16
    python scripts/train_clothing_labels.py train SHARDS --steps 700 --out first.safetensors
    python scripts/train_clothing_labels.py train SHARDS --steps 600 --begin first.safetensors --seed 1

Shards of 100 crops (10 people) are drawn in order and kept; a drawing that was stopped goes on with the next. A
training can begin on those that there are, and keeps their features beside them. The folders have the research data
(`datasets.images`) and photos without people; for the shipped decoder: chelsea, coffee, rocket, brick, grass and
gravel of scikit-image (CC0 and public domain). Its first two shards had 20 people in 6 crops each, and its first
training read 15 shards.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from render_fit.bodies import load_body
from render_fit.core.files import prepare_output, write_bytes
from render_fit.datasets.mocap import load_poses
from render_fit.observations.blazepose.clothing import (
    ASSET,
    ClothingDecoder,
    ClothingFeatures,
    read_decoder,
    write_decoder,
)
from render_fit.observations.blazepose.weights import read_networks
from render_fit.synthesis.clothed_crops import ClothedCrops
from render_fit.synthesis.images.background_photos import BackgroundPhotos
from render_fit.synthesis.poses.everyday import EverydayPoses
from render_fit.training.clothing_labels import cell_labels, features_of_crops, train_decoder

PEOPLE = 10
"""People in a shard."""


def draw(given: argparse.Namespace) -> None:
    photos = sorted(path for path in given.backgrounds.iterdir() if path.suffix in (".jpg", ".png"))
    poses = EverydayPoses(load_poses(given.mocap, "train"))
    sampler = ClothedCrops(load_body("open"), poses, BackgroundPhotos.read(photos))
    prepare_output(given.folder)
    for number in range(given.shards):
        path = given.folder / f"crops_{number:04d}.safetensors"
        if not path.exists():
            parts = list(sampler.sample(PEOPLE, number))
            joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("images", "labels")}
            write_bytes(path, save(joined))
            print(path, flush=True)


def train(given: argparse.Namespace) -> None:
    torch.manual_seed(given.seed)
    decoder = ClothingDecoder() if given.begin is None else read_decoder(given.begin).requires_grad_(True)
    network = read_networks()[1].to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    features, labels = [], []
    for path in sorted(given.folder.glob("crops_*.safetensors")):
        cache = path.with_name(path.name.replace("crops", "features"))
        if not cache.exists():
            content = load_file(path)
            found = vars(features_of_crops(network, content["images"]))
            found = {name: value.contiguous() for name, value in found.items()}
            write_bytes(cache, save({**found, "labels": cell_labels(content["labels"])}))
        content = load_file(cache)
        labels.append(content.pop("labels"))
        features.append(ClothingFeatures(**content))
        print(f"{cache.name}: {len(labels[-1])} crops", flush=True)

    def report(done: int, steps: int, loss: float) -> None:
        if done % 50 == 0:
            print(f"{done}/{steps}: {loss:.3f}", flush=True)

    joined = ClothingFeatures.joined(features)
    begin: Path | None = given.begin
    train_decoder(
        decoder, joined, torch.cat(labels), given.steps, given.seed, standardize=begin is None, on_progress=report
    )
    begun = "" if begin is None else f", begun from {begin.name}"
    note = f"{len(joined)} crops of synthetic people, {given.steps} steps, seed {given.seed}{begun}"
    write_decoder(decoder, given.out, note)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    drawing = commands.add_parser("draw", help="draw shards of crops")
    drawing.add_argument("folder", type=Path)
    drawing.add_argument("--mocap", type=Path, required=True, help="folder of the research data")
    drawing.add_argument("--backgrounds", type=Path, required=True, help="folder of photos without people")
    drawing.add_argument("--shards", type=int, default=30)
    drawing.set_defaults(run=draw)
    training = commands.add_parser("train", help="train the decoder on shards")
    training.add_argument("folder", type=Path)
    training.add_argument("--steps", type=int, default=1500)
    training.add_argument("--begin", type=Path, help="file of a trained decoder that is trained further")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--out", type=Path, default=ASSET)
    training.set_defaults(run=train)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
