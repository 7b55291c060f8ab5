"""Set-up of all tests: shapes and types are checked at run time; research data is optional."""

import os
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

from tests.shape_checks import check_again

install_import_hook("render_fit", "tests.shape_checks.checked")

# imported after the hook, which checks only later imports
from render_fit.bodies import open_body  # noqa: E402
from render_fit.bodies.clothing import clothing_basis  # noqa: E402
from render_fit.core.threads import threads_each  # noqa: E402
from render_fit.synthesis.people_sampler import PeopleSampler  # noqa: E402
from render_fit.synthesis.poses.bank import PoseBank  # noqa: E402

SHARED_DATA = Path(os.environ.get("RENDER_FIT_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


# several pytest processes (pytest-xdist) share the cores
torch.set_num_threads(threads_each(int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of research photos and motion capture, outside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"research data not present at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def bank() -> PoseBank:
    """300 poses of the prior."""
    return PoseBank.from_prior(300)


@pytest.fixture(scope="session")
def synthesis(bank: PoseBank) -> PeopleSampler:
    """Sampler of synthetic people in those poses, at 32 pixels."""
    body = open_body()
    return PeopleSampler(body, bank, clothing_basis(body, 6), size=32)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Starts every test from the same random state, and checks its shapes and types."""
    torch.manual_seed(0)
    check_again()
