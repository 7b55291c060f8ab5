"""Loading of a training's batches: processes that sample people have one thread, this one keeps its own."""

import os

import torch
from accelerate import Accelerator

from render_fit.core.threads import POOL_SIZES
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.data_loading import Shards, StepBatches
from render_fit.training.processes import Processes
from render_fit.training.samples import LabelAvailability


def test_the_environment_of_a_training_is_not_changed(synthesis: PeopleSampler) -> None:
    # numba refuses to compile a kernel while the variable differs from the size of its running pool
    shards = Shards(synthesis, 2, 0, LabelAvailability())
    before = [os.environ.get(name) for name in POOL_SIZES]
    with StepBatches(shards, 1, None, Processes(Accelerator(cpu=True))).load(range(2), workers=0) as loaded:
        assert [os.environ.get(name) for name in POOL_SIZES] == before
        batches = list(loaded)
    assert [len(batch.truth) for batch in batches] == [2, 2]
    assert not torch.equal(batches[0].truth.betas, batches[1].truth.betas)
