"""The learned prior of clothes in a fit: from the labels of all images of a person, and only where it holds."""

from dataclasses import replace

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.parts import ATR, SMPL_24_PARTS
from render_fit.fitting.beginning import begin
from render_fit.fitting.context import FitContext
from render_fit.fitting.person import _share_clothes
from render_fit.fitting.recipe import load_recipe
from render_fit.fitting.resolve import resolve
from render_fit.losses.priors.clothing import label_shares
from render_fit.observations.observation import Observation
from render_fit.synthesis import everyday_pose, synthetic_scene

RECIPE = load_recipe("hybrid").with_regressor("none")


@pytest.fixture(scope="module")
def observation() -> Observation:
    scene = synthetic_scene(open_body(), everyday_pose("standing"), seed=0)
    return replace(scene.observation(parts=False), camera=scene.camera)


def dressed_in(observation: Observation, label: str) -> Observation:
    assert observation.mask is not None
    labels = torch.where(observation.mask >= 0.5, ATR.labels.index(label), 0)
    return replace(observation, labels=labels, part_space=ATR)


def context_of(observation: Observation, recipe=RECIPE, clothing="smooth") -> FitContext:
    return begin(observation, None, resolve(recipe, body=open_body(), renderer="cpu"), None, None, clothing)[0]


def test_the_mean_follows_labels(observation) -> None:
    skirt, trousers = (context_of(dressed_in(observation, name)).targets(112) for name in ("skirt", "pants"))
    assert skirt.clothing_mean is not None and trousers.clothing_mean is not None
    assert float((skirt.clothing_mean - trousers.clothing_mean).abs().max()) > 0.1


def test_there_is_none_if_switched_off_without_clothes_without_labels_and_with_those_of_the_body(observation) -> None:
    dressed = dressed_in(observation, "skirt")
    assert context_of(dressed).targets(112).clothing_mean is not None
    switched_off = RECIPE.model_copy(update={"clothing_prior": "none"})
    assert context_of(dressed, switched_off).targets(112).clothing_mean is None
    assert context_of(observation).targets(112).clothing_mean is None
    assert context_of(dressed, clothing="none").targets(112).clothing_mean is None
    bare = replace(observation, labels=torch.ones_like(observation.valid).long(), part_space=SMPL_24_PARTS)
    assert context_of(bare).targets(112).clothing_mean is None


def test_images_of_a_person_share_what_they_show_of_the_clothes(observation) -> None:
    contexts = [context_of(dressed_in(observation, name)) for name in ("skirt", "upper-clothes")]
    contexts.append(context_of(observation))
    _share_clothes(contexts)
    shares = [label_shares(dressed_in(observation, name).labels, ATR) for name in ("skirt", "upper-clothes")]
    for context in contexts[:2]:
        assert context.label_shares is not None
        torch.testing.assert_close(context.label_shares[0], torch.stack(shares).mean(dim=0))
    assert contexts[2].label_shares is None
    means = [context.targets(112).clothing_mean for context in contexts]
    torch.testing.assert_close(means[0], means[1])
