"""Images of a fit for contact sheets."""

import math
from dataclasses import replace

import numpy as np
import torch

from render_fit.bodies import open_body
from render_fit.evaluation.fit_errors import render_views
from render_fit.export.views import front_yaw
from render_fit.renderers import make_renderer
from tests.fits import known_fit

BODY, RENDERER = open_body(), make_renderer("cpu")


def views(fit, parameters, front=None):
    box = torch.tensor(fit.observation.box)
    return render_views(fit.observation.image, BODY, parameters, fit.camera, box, RENDERER, front)


def test_a_clothed_fit_shows_the_body_and_the_clothed_mesh():
    fit = known_fit()
    clothed = views(fit, fit.parameters)
    bare = views(fit, replace(fit.parameters, offsets=None))
    assert (len(clothed), len(bare)) == (4, 3)
    np.testing.assert_array_equal(clothed[2], bare[2])
    assert np.abs(clothed[3].astype(int) - bare[2]).max() > 60


def test_the_side_can_be_that_of_another_person():
    fit = known_fit(offsets=False)
    own = front_yaw(fit.parameters.rotations[0, 0])
    np.testing.assert_array_equal(views(fit, fit.parameters, own)[2], views(fit, fit.parameters)[2])
    assert (views(fit, fit.parameters, own + math.pi / 2)[2] != views(fit, fit.parameters)[2]).any()
