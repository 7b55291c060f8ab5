"""How many people are drawn for training, with and without pictures in colour: processor time, one thread.

    python -m benchmarks.people [--size 64] [--batch 64] [--runs 10]

Poses are the prior's. Wall-clock time would be the other trainings' as much as this program's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from benchmarks.measure import Seconds, spread, take_turns
from render_fit.bodies import open_body
from render_fit.synthesis.images.training_images import ImageAugmentation, render_rgb
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.synthesis.poses.bank import PoseBank
from render_fit.training.samples import training_batch


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="side of the views, pixels")
    parser.add_argument("--batch", type=int, default=64, help="people at a time")
    parser.add_argument("--runs", type=int, default=10, help="turns that count")
    chosen = parser.parse_args(words)
    torch.set_num_threads(1)
    plain = PeopleSampler(open_body(), PoseBank.from_prior(), size=chosen.size)
    colourful, generator = replace(plain, images=ImageAugmentation()), torch.Generator().manual_seed(0)
    drawn = plain.draw(chosen.batch, generator)

    def colours() -> object:
        return render_rgb(plain.body, drawn.people.vertices, drawn.face_index, ImageAugmentation(), generator)

    cases = {
        "without colours": spent(lambda: training_batch(plain, chosen.batch, generator)),
        "with colours": spent(lambda: training_batch(colourful, chosen.batch, generator)),
        "colours alone": spent(colours),
    }
    for name, seconds in take_turns(cases, chosen.runs).items():
        print(f"{name}: {spread(chosen.batch / seconds[:, 0], 'people/s')}")
    return 0


def spent(step: Callable[[], object]) -> Callable[[], Seconds]:
    """A step that gives the processor time that it took, seconds."""

    def run() -> Seconds:
        begin = time.process_time()
        step()
        return (time.process_time() - begin,)

    return run


if __name__ == "__main__":
    sys.exit(main())
