"""Auxiliary segmentation: its effect, that it is off by default, resuming, several processes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from pydantic import ValidationError
from safetensors.torch import load_file

from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.network import Regressor
from render_fit.synthesis.observation_noise import NO_NOISE
from render_fit.synthesis.people_sampler import PeopleSampler
from render_fit.training.auxiliary_segmentation import RegressorWithSegmentation, SegmentationConfig, segmentation_loss
from render_fit.training.checkpointing import REGRESSOR, STATE
from render_fit.training.loop import train
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.samples import LabelAvailability, training_batch

CONFIG = SegmentationConfig(weight=1.0, channels=16)


@pytest.fixture
def segmenting(recipe: TrainingRecipe) -> TrainingRecipe:
    return recipe.model_copy(update={"segmentation": CONFIG})


def test_segmentation_is_off_by_default(recipe: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path) -> None:
    assert TrainingRecipe.model_fields["segmentation"].default.weight == 0
    logged: list[dict[str, float]] = []
    train(recipe, tmp_path, synthesis, workers=0, stop_after=1, on_step=lambda _, figures: logged.append(figures))
    assert "segmentation" not in logged[0]
    assert "segmentation" not in torch.load(tmp_path / STATE, weights_only=True)["others"]


def test_segmentation_of_a_network_without_images_is_refused(recipe: TrainingRecipe) -> None:
    content = recipe.model_dump() | {"segmentation": {"weight": 1.0}}
    content["regressor"] = RegressorConfig(pictures=()).model_dump()
    with pytest.raises(ValidationError, match="uses no images"):
        TrainingRecipe.model_validate(content)


def test_decoder_and_backbone_learn_where_parts_are(recipe: TrainingRecipe, synthesis: PeopleSampler) -> None:
    torch.manual_seed(0)
    network = RegressorWithSegmentation(Regressor(recipe.regressor), CONFIG)
    # People of whom some cells of 4 x 4 pixels show one part alone.
    inputs, truth = training_batch(replace(synthesis, noise=NO_NOISE), 8, torch.Generator().manual_seed(5))
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses: list[float] = []
    for _ in range(60):
        _, logits = network(inputs)
        assert logits is not None and logits.shape == (8, 25, 8, 8)
        loss = segmentation_loss(logits, truth, 1.0)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.35 * losses[0]
    assert any(p.grad is not None and p.grad.any() for p in network.regressor.backbone.parameters())
    assert all(p.grad is None for p in network.regressor.head.parameters())
    # In cells that show one part, the decoder predicts that part.
    _, logits = network(inputs)
    assert logits is not None and truth.parts is not None
    cells = truth.parts.view(8, 8, 4, 8, 4).movedim(3, 2).flatten(3)
    whole = (cells == cells[..., :1]).all(-1)
    right = logits.argmax(1)[whole] == cells[..., 0][whole]
    assert (cells[..., 0][whole] > 0).any()
    assert right.float().mean() > 0.9


CONVNEXT = {"model_type": "convnextv2", "num_stages": 2, "patch_size": 4, "hidden_sizes": [8, 16], "depths": [1, 1]}
DINO = {"model_type": "dinov2", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32}


@pytest.mark.parametrize(("backbone", "places"), [(CONVNEXT, 8), (DINO | {"patch_size": 8}, 4)], ids=["conv", "tokens"])
def test_any_backbone_can_be_trained(backbone, places: int, recipe: TrainingRecipe, synthesis: PeopleSampler) -> None:
    network = RegressorWithSegmentation(Regressor(recipe.regressor.model_copy(update={"backbone": backbone})), CONFIG)
    inputs, truth = training_batch(synthesis, 2, torch.Generator().manual_seed(0))
    _, logits = network(inputs)
    assert logits is not None and logits.shape == (2, 25, places, places)
    segmentation_loss(logits, truth, 1.0).total.backward()
    assert any(p.grad is not None and p.grad.any() for p in network.regressor.backbone.parameters())


def test_the_loss_is_a_cross_entropy_of_people_with_2d_labels(synthesis: PeopleSampler) -> None:
    _, truth = training_batch(synthesis, 4, torch.Generator().manual_seed(1))
    assert truth.parts is not None
    certain = torch.nn.functional.one_hot(truth.parts.long(), 25).movedim(-1, 1) * 50.0
    assert float(segmentation_loss(certain, truth, 1.0).total) < 1e-6
    even = torch.zeros(4, 25, 32, 32, requires_grad=True)
    loss = segmentation_loss(even, truth, 2.0)
    assert float(loss.total.detach()) == pytest.approx(2 * torch.tensor(25.0).log().item(), rel=1e-5)
    assert float(loss.terms["segmentation"]) == pytest.approx(0.5 * float(loss.total.detach()), rel=1e-5)
    labels = LabelAvailability(latent=0, joints=0, projection=0.5).carried(torch.arange(4))
    known = labels.any(1)
    assert 0 < known.sum() < 4
    segmentation_loss(even, replace(truth, labels=labels), 1.0).total.backward()
    assert even.grad is not None
    assert torch.equal(even.grad.flatten(1).any(1), known)
    unlabelled = segmentation_loss(even, replace(truth, labels=torch.zeros_like(labels)), 1.0)
    assert float(unlabelled.total.detach()) == 0
    with pytest.raises(ValueError, match="expected part maps"):
        segmentation_loss(even, replace(truth, parts=None), 1.0)


def test_it_resumes_bit_for_bit_and_the_regressor_has_no_decoder(
    recipe: TrainingRecipe, segmenting: TrainingRecipe, synthesis: PeopleSampler, tmp_path: Path
) -> None:
    logged: list[dict[str, float]] = []
    train(segmenting, tmp_path / "whole", synthesis, workers=0, on_step=lambda _, figures: logged.append(figures))
    assert logged[0]["segmentation"] > 0
    train(segmenting, tmp_path / "stopped", synthesis, workers=0, stop_after=3)
    train(segmenting, tmp_path / "stopped", synthesis, workers=0)
    whole, stopped = (load_file(tmp_path / name / REGRESSOR) for name in ("whole", "stopped"))
    assert all(torch.equal(value, stopped[name]) for name, value in whole.items())
    assert whole.keys() == Regressor(recipe.regressor).state_dict().keys()
    whole, stopped = (
        torch.load(tmp_path / n / STATE, weights_only=True)["others"]["segmentation"] for n in ("whole", "stopped")
    )
    assert whole and all(torch.equal(value, stopped[name]) for name, value in whole.items())
