"""Synthetic people per second, with and without RGB images: processor time of one thread.

    python -m benchmarks.people [--size 64] [--batch 64] [--runs 10]

Poses are sampled from the prior. Processor time, unlike wall-clock time, does not depend on other programs.
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
    parser.add_argument("--batch", type=int, default=64, help="people per batch")
    parser.add_argument("--runs", type=int, default=10, help="measured runs")
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    sampler = PeopleSampler(open_body(), PoseBank.from_prior(), size=options.size)
    rgb_sampler, generator = replace(sampler, images=ImageAugmentation()), torch.Generator().manual_seed(0)
    rendered = sampler.sample(options.batch, generator)

    def render_images() -> object:
        return render_rgb(sampler.body, rendered.people.vertices, rendered.face_index, ImageAugmentation(), generator)

    cases = {
        "without RGB images": processor_time(lambda: training_batch(sampler, options.batch, generator)),
        "with RGB images": processor_time(lambda: training_batch(rgb_sampler, options.batch, generator)),
        "RGB images alone": processor_time(render_images),
    }
    for name, seconds in take_turns(cases, options.runs).items():
        print(f"{name}: {spread(options.batch / seconds[:, 0], 'people/s')}")
    return 0


def processor_time(step: Callable[[], object]) -> Callable[[], Seconds]:
    """A step that returns its processor time, seconds."""

    def run() -> Seconds:
        begin = time.process_time()
        step()
        return (time.process_time() - begin,)

    return run


if __name__ == "__main__":
    sys.exit(main())
