"""Photos are observed once; cached observations equal the observed ones."""

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
from render_fit.training.unlabelled_photos import UnlabelledPhotos

TINY = RegressorConfig(
    size=32, width=16, depth=0, hypotheses=1, n_clothing=0,
    backbone={"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"},
)  # fmt: skip


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the photos that were observed, not read. They show synthetic people; the second shows nobody."""
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


def observe_all(images: list[Path], folder: Path, processes: PartialState | None = None, resolution: int = 16):
    return observed_photos.observed_people(
        images, Regressor(TINY), resolution, folder, processes or PartialState(cpu=True)
    )


def same(a, b) -> bool:
    """Whether two nested dataclasses of tensors are equal bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    return a == b


def test_a_second_run_reads_cached_observations(observed: list[str], tmp_path: Path) -> None:
    images = photos(tmp_path)
    people, skipped = observe_all(images, tmp_path / "kept")
    assert observed == ["0.png", "1.png", "2.png"]
    assert list(people) == [images[0], images[2]] and "nobody" in skipped[images[1]]
    again, skipped_again = observe_all(images, tmp_path / "kept")
    assert len(observed) == 3
    assert skipped_again == skipped
    assert all(same(people[path], again[path]) for path in people)
    assert people[images[0]].targets.skeleton is not None and people[images[0]].targets.labels is not None
    assert len(UnlabelledPhotos.joined(list(again.values()))) == 2


def test_changed_photos_are_observed_again(observed: list[str], tmp_path: Path) -> None:
    images = photos(tmp_path)
    observe_all(images, tmp_path / "kept")
    Image.new("RGB", (9, 9)).save(images[2])
    observe_all(images, tmp_path / "kept")
    assert observed[3:] == ["2.png"]
    observe_all(images, tmp_path / "kept", resolution=24)
    assert observed[4:] == ["0.png", "1.png", "2.png"]
    damaged = max((tmp_path / "kept").glob("*.pt"), key=lambda path: path.stat().st_size)
    damaged.write_bytes(damaged.read_bytes()[:100])
    count = len(observed)
    assert len(observe_all(images, tmp_path / "kept")[0]) == 2
    observe_all(images, tmp_path / "kept", resolution=24)
    assert len(observed) == count + 1
    assert not list((tmp_path / "kept").glob("*.partial"))


def test_every_process_observes_its_share(observed: list[str], tmp_path: Path, monkeypatch) -> None:
    images, processes = photos(tmp_path), PartialState(cpu=True)
    monkeypatch.setattr(processes, "num_processes", 2)
    monkeypatch.setattr(processes, "process_index", 1)
    waited: list[bool] = []

    def wait() -> None:
        """The other process observes its share."""
        waited.append(True)
        monkeypatch.setattr(processes, "process_index", 0)
        if len(waited) == 1:
            observe_all(images, tmp_path / "kept", processes)

    monkeypatch.setattr(processes, "wait_for_everyone", wait)
    people, _ = observe_all(images, tmp_path / "kept", processes)
    assert sorted(observed) == ["0.png", "1.png", "2.png"] and observed[0] == "1.png"
    assert len(people) == 2
