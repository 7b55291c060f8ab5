"""Test-wide set-up: shapes and types of public functions are checked at run time; real data is optional."""

from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("render_fit", "beartype.beartype")

# after the hook, which checks what is imported after it
from render_fit.bodies import open_body  # noqa: E402
from render_fit.bodies.clothing import clothing_basis  # noqa: E402
from render_fit.synthesis.people_sampler import PeopleSampler  # noqa: E402
from render_fit.synthesis.poses.bank import PoseBank  # noqa: E402

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of research photos and motion capture that stays outside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"research data not present at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def bank() -> PoseBank:
    """A few poses of the prior."""
    return PoseBank.from_prior(300)


@pytest.fixture(scope="session")
def synthesis(bank: PoseBank) -> PeopleSampler:
    """Synthetic people of those poses, at 32 pixels."""
    body = open_body()
    return PeopleSampler(body, bank, clothing_basis(body, 6), size=32)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same random state."""
    torch.manual_seed(0)
