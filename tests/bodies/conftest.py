"""Bodies that several tests use."""

import numpy as np
import pytest
import torch

from render_fit.bodies import Body, open_body


@pytest.fixture(scope="session")
def body() -> Body:
    return open_body()


@pytest.fixture()
def tiny() -> Body:
    """A four-joint body of 12 vertices in float64, with pose correctives: small enough for gradcheck."""
    rng = np.random.default_rng(0)

    def rows(*shape: int) -> torch.Tensor:
        values = rng.random(shape)
        return torch.from_numpy(values / values.sum(-1, keepdims=True))

    return Body(
        name="tiny",
        joint_names=("root", "a", "b", "c"),
        parents=(-1, 0, 1, 0),
        v_template=torch.from_numpy(rng.normal(size=(12, 3))),
        shapedirs=torch.from_numpy(rng.normal(size=(12, 3, 2))),
        posedirs=torch.from_numpy(rng.normal(size=(12, 3, 27))),
        J_regressor=rows(4, 12),
        weights=rows(12, 4),
        faces=torch.tensor([[0, 1, 2], [3, 4, 5]]),
        landmark_names=("nose", "left_eye"),
        landmark_regressor=rows(2, 12),
    )
