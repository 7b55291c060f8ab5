"""What is told of a known weight that a fit did not reach."""

import torch

from render_fit.bodies import open_body
from render_fit.fitting.known_weight import about_weight
from render_fit.measurements.measure import measure

BODY = open_body()


def test_a_weight_that_was_not_reached_is_told():
    mass = float(measure(BODY, torch.zeros(1, 10), ["mass"])["mass"][0])
    assert about_weight(BODY, torch.zeros(1, 10), float(round(mass))) == []
    assert about_weight(BODY, torch.zeros(1, 10), mass + 2.5) == []  # of 70 kg two standard deviations are 3.2 kg
    (note,) = about_weight(BODY, torch.zeros(1, 10), 90.0)
    assert note.startswith(f"weight: asked for 90 kg, reached {mass:.0f} kg")
