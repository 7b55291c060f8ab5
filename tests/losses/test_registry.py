"""Names of terms, as recipes write them."""

from dataclasses import replace

import pytest
import torch

from render_fit.core.errors import InputError
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
