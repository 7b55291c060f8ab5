"""Names of terms, as recipes write them."""

import pytest
import torch

from render_fit.losses.keypoints import KeypointReprojection
from render_fit.losses.registry import OBSERVED, TERMS, is_observed, make_term
from render_fit.losses.term import Term
from tests.losses.factories import SIZE, seen, targets


@pytest.mark.parametrize("name", TERMS)
def test_every_name_makes_a_term(name):
    assert isinstance(make_term(name, {"height_m": 1.7} if name == "height" else {}), Term)


def test_options_reach_the_term_and_lists_become_tuples():
    assert make_term("keypoints", {"scale": 0.2, "joints": ["nose"]}) == KeypointReprojection(
        scale=0.2, joints=("nose",)
    )


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"unknown term 'sillhouette'; known: keypoints, "):
        make_term("sillhouette", {})
    with pytest.raises(ValueError, match="term 'shape' has no option 'walls'; known: wall, steepness"):
        make_term("shape", {"walls": 1})


def test_what_was_observed_decides_which_terms_can_run():
    assert set(OBSERVED) <= set(TERMS)
    only_mask = targets(mask=torch.ones(1, SIZE, SIZE))
    assert {name for name in OBSERVED if is_observed(name, only_mask)} == {
        "silhouette_iou",
        "silhouette_l2",
        "silhouette_distance",
    }
    assert is_observed("shape", only_mask)
    # A drawn person without 3D keypoints.
    assert not is_observed("bone_directions", seen()) and is_observed("parts", seen())
