"""Objectives: sums of terms, and scenes that compute what they are asked for, once."""

from dataclasses import dataclass

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.losses.fit_state import FitState
from render_fit.losses.keypoints import KeypointReprojection
from render_fit.losses.parameters import ShapePrior
from render_fit.losses.pixels import SilhouetteIoU, SilhouetteL2
from render_fit.losses.term import Objective, Term
from render_fit.renderers.base import RenderOutput
from tests.losses.factories import at, drawn, joined, moved, seen, standing, targets


@dataclass(frozen=True)
class Constant:
    """A term of one's own: nothing to inherit from."""

    value: float

    def __call__(self, scene: FitState) -> torch.Tensor:
        return torch.full((len(scene.parameters),), self.value)


def test_weighted_sum_and_breakdown():
    scene = FitState(open_body(), standing(3), targets())
    objective = Objective({"one": (2.0, Constant(1.0)), "other": (0.5, Constant(4.0))})
    torch.testing.assert_close(objective(scene), torch.full((3,), 4.0))
    assert {name: value.tolist() for name, value in objective.breakdown(scene).items()} == {
        "one": [2.0, 2.0, 2.0],
        "other": [2.0, 2.0, 2.0],
    }
    assert isinstance(Constant(1.0), Term)


def test_breakdown_adds_up_to_the_total():
    terms = {"keypoints": KeypointReprojection(), "iou": SilhouetteIoU(), "l2": SilhouetteL2(), "shape": ShapePrior()}
    objective = Objective(
        {name: (weight, term) for weight, (name, term) in zip((1.0, 50.0, 20.0, 2.0), terms.items(), strict=True)}
    )
    scene = at(seen(), joined(drawn().parameters, moved(drawn().parameters, (0.1, 0.0, 0.0))))
    torch.testing.assert_close(objective(scene), torch.stack(list(objective.breakdown(scene).values())).sum(dim=0))


def test_a_weight_of_zero_leaves_the_term_out():
    """It is not even evaluated: here it would raise, for there is no mask."""
    scene = FitState(open_body(), standing(2), targets())
    objective = Objective({"iou": (0.0, SilhouetteIoU()), "one": (1.0, Constant(1.0))})
    assert list(objective.breakdown(scene)) == ["one"]
    assert objective(scene).tolist() == [1.0, 1.0]
    assert Objective({})(scene).tolist() == [0.0, 0.0]


def test_only_some_terms():
    objective = Objective({"a": (1.0, Constant(1.0)), "b": (3.0, Constant(1.0))})
    assert objective.only("b")(FitState(open_body(), standing(), targets())).tolist() == [3.0]
    with pytest.raises(ValueError, match="no term 'c' in this objective; it has a, b"):
        objective.only("a", "c")


def test_skeletal_terms_are_those_that_need_no_mesh():
    objective = Objective({"shape": (2.0, ShapePrior()), "iou": (1.0, SilhouetteIoU()), "mine": (1.0, Constant(1.0))})
    assert list(objective.skeletal().terms) == ["shape"]


class Counter:
    """Counts how often it is asked to draw."""

    name = "counter"

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, vertices_camera, faces, camera, settings, *, face_parts=None, outputs=("silhouette",)):
        self.asked.append(tuple(outputs))
        shape = (len(vertices_camera), camera.height, camera.width)
        return RenderOutput(silhouette=torch.zeros(shape), parts=torch.zeros(shape[0], 24, *shape[1:]))


def test_a_picture_is_drawn_once_and_only_if_asked_for():
    counter = Counter()
    scene = FitState(open_body(), drawn().parameters, seen(), counter)
    KeypointReprojection()(scene)
    assert counter.asked == []
    scene.render("parts"), scene.render("silhouette"), scene.render("parts")
    assert counter.asked == [("silhouette", "parts")]


def test_pixels_need_a_renderer():
    with pytest.raises(ValueError, match="silhouette: this objective compares pixels and needs a renderer"):
        SilhouetteIoU()(FitState(open_body(), standing(), seen()))


def test_a_term_with_another_shape_is_named():
    state = FitState(open_body(), standing(1), targets())
    objective = Objective({"flat": (1.0, lambda state: state.parameters.betas.sum())})
    with pytest.raises(ValueError, match=r"term 'flat': expected one value per image, \(1,\), got \(\)"):
        objective(state)
