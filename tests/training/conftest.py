"""A small synthesis, network and recipe for the tests of training."""

import pytest

from render_fit.bodies import open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.regressors.config import RegressorConfig
from render_fit.training.poses import PoseBank
from render_fit.training.recipe import Optimiser, TrainingRecipe
from render_fit.training.synthesis import Synthesis

SMALL = RegressorConfig(
    size=32,
    width=32,
    depth=1,
    n_clothing=6,
    hypotheses=2,
    backbone={"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1],
              "layer_type": "basic"},
)  # fmt: skip


@pytest.fixture(scope="session")
def bank() -> PoseBank:
    return PoseBank.from_prior(300)


@pytest.fixture(scope="session")
def synthesis(bank: PoseBank) -> Synthesis:
    body = open_body()
    return Synthesis(body, bank, clothing_basis(body, 6), size=32)


@pytest.fixture
def recipe() -> TrainingRecipe:
    return TrainingRecipe(
        name="small",
        description="for tests",
        regressor=SMALL,
        optimiser=Optimiser(learning_rate=3e-3, warm_up=1),
        steps=6,
        batch=8,
        shard=4,
        save_every=2,
        validate_every=3,
    )
