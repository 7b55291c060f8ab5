"""A small network and recipe for the tests of training."""

import pytest

from render_fit.regressors.config import RegressorConfig
from render_fit.training.recipe import Optimiser, TrainingRecipe

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
