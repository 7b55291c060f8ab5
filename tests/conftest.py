"""Test-wide set-up: shapes and types of public functions are checked at run time; real data is optional."""

from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("render_fit", "beartype.beartype")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of research photos and motion capture that stays outside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"research data not present at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same random state."""
    torch.manual_seed(0)
