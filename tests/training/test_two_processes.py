"""Two processes train as one: the gradients of the first step agree. One pair of processes runs all trainings."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.multiprocessing

from render_fit.synthesis import everyday_pose, synthetic_scene
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.checkpointing import STATE
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.render_supervision import RenderSupervisionConfig
from render_fit.training.samples import LABELS, LabelAvailability
from render_fit.training.unlabelled_photos import UnlabelledPhotos
from tests.training.test_adversarial import CONFIG as ADVERSARIAL
from tests.training.test_auxiliary_segmentation import CONFIG as SEGMENTATION

RARE = LabelAvailability(latent=0.2, joints=0.4)


@dataclass(frozen=True)
class Training:
    """A training of one step, and the photos that join it."""

    recipe: TrainingRecipe
    photos: UnlabelledPhotos | None = None


def trainings(recipe: TrainingRecipe, synthesis: PeopleSampler) -> dict[str, Training]:
    scenes = [
        synthetic_scene(synthesis.body, everyday_pose("standing"), seed, image_size=(96, 96)) for seed in range(3)
    ]
    photos = UnlabelledPhotos.of([s.observation() for s in scenes], [s.camera for s in scenes], 32, 32)
    rendered = RenderSupervisionConfig(batch=2, resolution=32)
    changes = {
        "plain": {},
        "missing labels": {"label_availability": RARE},
        "photos": {"render_supervision": rendered},
        "adversary": {"adversarial": ADVERSARIAL},
        "segmentation": {"segmentation": SEGMENTATION},
    }
    made = {name: recipe.model_copy(update={"steps": 1, **change}) for name, change in changes.items()}
    return {name: Training(one, photos if name == "photos" else None) for name, one in made.items()}


def _member(rank: int, chosen: dict[str, Training], folder: Path, synthesis: PeopleSampler) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="localhost",
        MASTER_PORT=str(20_000 + os.getppid() % 10_000), ACCELERATE_USE_CPU="true",
    )  # fmt: skip
    torch.set_num_threads(1)
    for name, one in chosen.items():
        train(one.recipe, folder / name / "two", synthesis, photos=one.photos, workers=0)
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def trained(recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of all trainings by one and by two processes."""
    folder, chosen = tmp_path_factory.mktemp("trainings"), trainings(recipe, synthesis)
    for name, one in chosen.items():
        torch.manual_seed(0)
        train(one.recipe, folder / name / "one", synthesis, photos=one.photos, workers=0)
    torch.multiprocessing.spawn(_member, (chosen, folder, synthesis), nprocs=2)
    return folder


def state(path: Path) -> dict:
    return torch.load(path / STATE, weights_only=True)


def same_gradients(first: Path, second: Path) -> bool:
    """Whether the gradients of the first step agree to 1e-5 of their length: Adam's first moment is a tenth of them."""
    one, two = (state(path)["optimiser"]["state"] for path in (first, second))
    return all(same_moments(value, two[key]) for key, value in one.items())


def same_moments(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return float((one["exp_avg"] - two["exp_avg"]).norm()) <= 1e-5 * float(one["exp_avg"].norm()) + 1e-9


@pytest.mark.parametrize("name", ["plain", "missing labels", "photos", "adversary", "segmentation"])
def test_two_processes_train_as_one(name: str, trained: Path) -> None:
    assert same_gradients(trained / name / "one", trained / name / "two")
    if name != "plain":  # what differs is seen in the gradients
        assert not same_gradients(trained / name / "one", trained / "plain" / "one")


def test_some_labels_are_missing() -> None:
    carried = RARE.carried(torch.arange(8)).sum(0)
    assert 0 < carried[0] < carried[LABELS.index("joints")] < 8


def test_the_discriminators_learn_as_one(trained: Path) -> None:
    one, two = (
        state(trained / "adversary" / name)["others"]["adversary"]["optimiser"]["state"] for name in ("one", "two")
    )
    assert one and all(same_moments(value, two[key]) for key, value in one.items())


def test_the_decoder_of_segmentations_learns_as_well(trained: Path) -> None:
    with_decoder, without = (state(trained / name / "one")["optimiser"]["state"] for name in ("segmentation", "plain"))
    assert len(with_decoder) > len(without)
