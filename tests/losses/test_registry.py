"""Names of terms, as recipes write them."""

import math
from dataclasses import replace

import pytest
import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.errors import InputError
from render_fit.losses.fit_state import FitState
from render_fit.losses.keypoints import KeypointReprojection
from render_fit.losses.parameters import ShapePrior
from render_fit.losses.registry import TERMS, is_observed, make_term, weighted_terms
from render_fit.losses.term import Term
from tests.losses.factories import SIZE, seen, targets

NEEDED_OPTIONS = {
    "height": {"height_m": 1.7},
    "weight": {"weight_kg": 70.0},
    "measurement": {"values_m": {"waist": 0.8}},
}


def made(name: str) -> Term:
    return make_term(name, NEEDED_OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", TERMS)
def test_every_name_makes_a_term(name):
    assert isinstance(made(name), Term)


@pytest.mark.parametrize("name", [name for name in TERMS if not getattr(made(name), "requires", ())])
def test_terms_that_pose_and_place_do_not_change_say_that_they_are_of_the_shape(name):
    """Where images share a shape, these count once, and covariances take them for what is known without images."""
    term, body = made(name), open_body()
    generator = torch.Generator().manual_seed(0)
    # upright, falling forward, and as nobody can stand
    poses = torch.stack([torch.zeros(24, 3), torch.zeros(24, 3), 2 * torch.randn(24, 3, generator=generator)])
    poses[:2, 0, 0] = math.pi
    poses[1, [7, 8], 0] = 0.6
    betas = torch.linspace(-1.0, 1.0, 10).expand(3, 10)
    bare = BodyParameters.from_rotvec(poses, betas, torch.tensor([[0.0, 0.3, 4.0], [0.5, 0.0, 3.0], [0.0, 0.0, 5.0]]))
    offsets = 0.01 * torch.randn(1, body.n_vertices, 3, generator=generator).expand(3, -1, -1)
    state = FitState(
        body,
        replace(bare, offsets=offsets),
        targets(),
        clothing=torch.ones(3, 12),
        latent=torch.linspace(0, 1, 3)[:, None].expand(3, 32),
    )
    values = term(state).tolist()
    assert (values == pytest.approx([values[0]] * 3, rel=1e-5)) is getattr(term, "of_shape", False)


def test_options_reach_the_term_and_lists_become_tuples():
    assert make_term("keypoints", {"scale": 0.2, "joints": ["nose"]}) == KeypointReprojection(
        scale=0.2, joints=("nose",)
    )


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"unknown term 'sillhouette'; known: keypoints, .*; did you mean 'silh"):
        make_term("sillhouette", {})
    with pytest.raises(ValueError, match="term 'shape' has no option 'walls'; known: wall, steepness"):
        make_term("shape", {"walls": 1})


def test_what_was_observed_decides_which_terms_can_run():
    terms = {name: made(name) for name in TERMS}
    comparing = {name for name, term in terms.items() if getattr(term, "requires", ())}
    only_mask = targets(mask=torch.ones(1, SIZE, SIZE))
    assert {name for name in comparing if is_observed(terms[name], only_mask)} == {
        "silhouette_iou",
        "silhouette_l2",
        "silhouette_distance",
        "clothed_silhouette",
    }
    assert comparing >= {"keypoints", "bone_directions", "regressed_joints", "parts"}
    assert is_observed(terms["shape"], only_mask)
    # A synthetic person without 3D keypoints.
    assert not is_observed(terms["bone_directions"], seen()) and is_observed(terms["parts"], seen())


def test_own_terms_are_checked_before_a_fit():
    shape = made("shape")
    assert weighted_terms({"pose": 2, "own": (3, shape)}) == {"pose": (2.0, made("pose")), "own": (3.0, shape)}
    with pytest.raises(InputError, match="term 'own': expected an object that is called as .state., got the class"):
        weighted_terms({"own": (1.0, ShapePrior)})
    misspelt = replace(shape)
    object.__setattr__(misspelt, "requires", ("msk",))
    with pytest.raises(InputError, match="term 'own': requires 'msk' of FitTargets: not known; did you mean 'mask'"):
        weighted_terms({"own": (1.0, misspelt)})
