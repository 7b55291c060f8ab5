"""Photos are observed once; what was kept is what was observed."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch
from accelerate import PartialState
from PIL import Image

from render_fit.bodies import open_body
from render_fit.core.errors import NoPersonError
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.training import observed_photos
from render_fit.training.render_supervision import UnlabelledPhotos

TINY = RegressorConfig(
    size=32, width=16, depth=0, hypotheses=1, n_clothing=0,
    backbone={"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"},
)  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the photos that were really observed; drawn people stand in for them, and nobody is in the second."""
    names: list[str] = []

    def observe(path: Path, **_):
        names.append(path.name)
        if path.name == "1.png":
            raise NoPersonError(f"{path}: nobody")
        scene = synthetic_scene(open_body(), everyday_pose("walking"), int(path.stem))
        return [scene.observation()]

    monkeypatch.setattr(observed_photos, "observe", observe)
    return names


def photos(folder: Path) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
    return paths


def look(images: list[Path], folder: Path, together: PartialState | None = None, resolution: int = 16):
    return observed_photos.observed_people(
        images, Regressor(TINY), resolution, folder, together or PartialState(cpu=True)
    )


def same(a, b) -> bool:
    """Whether two nested dataclasses of tensors are equal to the bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    return a == b


def test_a_second_run_reads_what_the_first_observed(asked: list[str], tmp_path: Path) -> None:
    images = photos(tmp_path)
    people, skipped = look(images, tmp_path / "kept")
    assert asked == ["0.png", "1.png", "2.png"]
    assert list(people) == [images[0], images[2]] and "nobody" in skipped[images[1]]
    again, skipped_again = look(images, tmp_path / "kept")
    assert len(asked) == 3
    assert skipped_again == skipped
    assert all(same(people[path], again[path]) for path in people)
    assert people[images[0]].targets.skeleton is not None and people[images[0]].targets.labels is not None
    assert len(UnlabelledPhotos.joined(list(again.values()))) == 2


def test_what_changed_is_observed_anew(asked: list[str], tmp_path: Path) -> None:
    images = photos(tmp_path)
    look(images, tmp_path / "kept")
    Image.new("RGB", (9, 9)).save(images[2])
    look(images, tmp_path / "kept")
    assert asked[3:] == ["2.png"]
    look(images, tmp_path / "kept", resolution=24)
    assert asked[4:] == ["0.png", "1.png", "2.png"]
    damaged = max((tmp_path / "kept").glob("*.pt"), key=lambda path: path.stat().st_size)
    damaged.write_bytes(damaged.read_bytes()[:100])
    count = len(asked)
    assert len(look(images, tmp_path / "kept")[0]) == 2
    look(images, tmp_path / "kept", resolution=24)
    assert len(asked) == count + 1
    assert not list((tmp_path / "kept").glob("*.partial"))


def test_every_process_observes_its_share(asked: list[str], tmp_path: Path, monkeypatch) -> None:
    images, together = photos(tmp_path), PartialState(cpu=True)
    monkeypatch.setattr(together, "num_processes", 2)
    monkeypatch.setattr(together, "process_index", 1)
    waited: list[bool] = []

    def wait() -> None:
        """The other process does its part."""
        waited.append(True)
        monkeypatch.setattr(together, "process_index", 0)
        if len(waited) == 1:
            look(images, tmp_path / "kept", together)

    monkeypatch.setattr(together, "wait_for_everyone", wait)
    people, _ = look(images, tmp_path / "kept", together)
    assert sorted(asked) == ["0.png", "1.png", "2.png"] and asked[0] == "1.png"
    assert len(people) == 2
