"""Draws labelled crops of clothed people, trains the decoder of clothing labels on them, and adapts it to photos.

    python scripts/train_clothing_labels.py draw SHARDS --mocap FOLDER --backgrounds FOLDER --shards 16
    python scripts/train_clothing_labels.py train SHARDS --steps 700 --out first.safetensors
    python scripts/train_clothing_labels.py train SHARDS --steps 600 --begin first.safetensors --seed 1
    python scripts/train_clothing_labels.py adapt SHARDS --photos PHOTO... --fits FITS --out adapted.safetensors

Shards of 100 crops (10 people) are drawn in order and kept; a drawing that was stopped goes on with the next. A
training can begin on those that there are, and keeps their features beside them. The folders have the research data
(`datasets.images`) and photos without people; for the shipped decoder: chelsea, coffee, rocket, brick, grass and
gravel of scikit-image (CC0 and public domain). Its first two shards had 20 people in 6 crops each, and its first
training read 15 shards. `adapt` fits the largest person in each photo, keeps the fits, and trains the
decoder further on shards and photos (`training.label_self_training`); ``--labels confident`` does without the fits,
``none`` without the photos. To measure a decoder, write it over a copy's asset and run ``render-fit experiment
clothing-labels``; docs/observations.md has figures for ``--photos coco/*.jpg up3d_photos/*.png`` and seeds 0 to 2.
"""

import argparse
from pathlib import Path

import torch
from accelerate import PartialState
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
from render_fit.training.label_self_training import (
    agreed_labels,
    confident_labels,
    photo_crops,
    photo_lessons,
    teacher_probabilities,
)
from render_fit.training.pseudo_labels import PseudoLabelsConfig, fitted_photos

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


def read_shards(folder: Path) -> tuple[ClothingFeatures, torch.Tensor]:
    """Features and labels of all crops; features that are missing are computed and kept."""
    network = read_networks()[1].to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    features, labels = [], []
    for path in sorted(folder.glob("crops_*.safetensors")):
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
    return ClothingFeatures.joined(features), torch.cat(labels)


def report(done: int, steps: int, loss: float) -> None:
    if done % 50 == 0:
        print(f"{done}/{steps}: {loss:.3f}", flush=True)


def train(given: argparse.Namespace) -> None:
    torch.manual_seed(given.seed)
    decoder = ClothingDecoder() if given.begin is None else read_decoder(given.begin).requires_grad_(True)
    joined, labels = read_shards(given.folder)

    begin: Path | None = given.begin
    train_decoder(decoder, joined, labels, given.steps, given.seed, standardize=begin is None, on_progress=report)
    begun = "" if begin is None else f", begun from {begin.name}"
    note = f"{len(joined)} crops of synthetic people, {given.steps} steps, seed {given.seed}{begun}"
    write_decoder(decoder, given.out, note)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.2f} MB")


def adapt(given: argparse.Namespace) -> None:
    decoder = read_decoder(given.begin)
    lessons, seen = None, 0
    if given.labels != "none":
        body = load_body("open")
        fits = fitted_photos(given.photos, PseudoLabelsConfig(), body, given.fits, PartialState(cpu=True), progress)
        crops = photo_crops(given.photos, fits, body)
        taught = [teacher_probabilities(decoder, one) for one in crops]
        if given.labels == "confident":
            labels = [confident_labels(one) for one in taught]
        else:
            labels = [agreed_labels(one, of.evidence) for one, of in zip(taught, crops, strict=True)]
        lessons, seen = photo_lessons(crops, labels), len(crops)
    features, labels = read_shards(given.folder)
    decoder.requires_grad_(True)
    train_decoder(
        decoder, features, labels, given.steps, given.seed,
        standardize=False, on_progress=report, photos=lessons, learning_rate=given.learning_rate,
    )  # fmt: skip
    note = f"{given.begin.name}, adapted to {seen} photos ({given.labels}), {given.steps} steps, seed {given.seed}"
    write_decoder(decoder, given.out, note)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.2f} MB")


def progress(done: int, photos: int) -> None:
    print(f"photo {done} of {photos}", flush=True)


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
    adapting = commands.add_parser("adapt", help="train a decoder further, on shards and on photos without labels")
    adapting.add_argument("folder", type=Path)
    adapting.add_argument("--photos", type=Path, nargs="*", default=[], help="photos with a person each")
    adapting.add_argument("--fits", type=Path, required=True, help="folder in which the photos' fits are kept")
    adapting.add_argument("--labels", choices=("agreed", "confident", "none"), default="agreed")
    adapting.add_argument("--begin", type=Path, default=ASSET, help="file of the decoder")
    adapting.add_argument("--steps", type=int, default=150)
    adapting.add_argument("--learning-rate", type=float, default=3e-3)
    adapting.add_argument("--seed", type=int, default=0)
    adapting.add_argument("--out", type=Path, required=True)
    adapting.set_defaults(run=adapt)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
