"""A known height sets size and distance of hypotheses, and what was not reached is told."""

import pytest
import torch

from render_fit.bodies import open_body
from render_fit.core.errors import InputError
from render_fit.fitting.fit import fit_image
from render_fit.fitting.known_height import LARGEST_BETA, about_height, of_height
from render_fit.fitting.variables import Variables
from render_fit.observations.camera_source import resolve_camera
from render_fit.pipelines.options import FitOptions
from tests.fits import known_fit

BODY = open_body()


def hypotheses() -> Variables:
    parameters = BODY.zero_parameters(3)
    parameters.transl[:, 2] = torch.tensor([2.0, 3.0, 5.0])
    parameters.transl[:, 0] = 0.5
    return Variables.from_parameters(BODY, parameters)


def heights(variables: Variables) -> torch.Tensor:
    rest = BODY.rest_vertices(variables.betas)[..., 1]
    return rest.amax(dim=1) - rest.amin(dim=1)


@pytest.mark.parametrize("height_m", [1.45, 1.6, 1.78, 1.95])
def test_hypotheses_of_a_height_look_as_large_as_before(height_m):
    before, after = hypotheses(), of_height(BODY, hypotheses(), height_m)
    torch.testing.assert_close(heights(after), torch.full((3,), height_m), atol=0.01, rtol=0)
    ratio = after.position[:, 2].exp() / before.position[:, 2].exp()
    torch.testing.assert_close(ratio, heights(after) / heights(before), atol=0.01, rtol=0)
    torch.testing.assert_close(after.position[:, :2], before.position[:, :2])
    assert about_height(BODY, after.betas[:1], height_m) == []


@pytest.mark.parametrize("height_m", [0.5, 0.9, 2.7])
def test_a_height_beyond_the_shapes_is_told(height_m):
    after = of_height(BODY, hypotheses(), height_m)
    assert float(after.betas.abs().max()) <= LARGEST_BETA
    (note,) = about_height(BODY, after.betas[:1], height_m)
    assert f"asked for {height_m:.2f} m, reached {float(heights(after)[0]):.2f} m" in note


@pytest.mark.parametrize("height_m", [-1.7, 0.0, 17.0, 170.0, 1700.0, float("nan")])
def test_a_height_of_nobody_is_refused_at_every_entrance(height_m):
    with pytest.raises(InputError, match="height in metres, between 0.4 and 2.8"):
        FitOptions(height_m=height_m)
    with pytest.raises(InputError, match="height in metres, between 0.4 and 2.8"):
        fit_image(known_fit().observation.of(torch.zeros(3, 64, 64), mask=torch.eye(64)), "predict", height_m=height_m)


@pytest.mark.parametrize("focal_mm", [4.2, 0.0, 6.9, 5000.0, float("nan")])
def test_a_focal_length_of_no_camera_is_refused_at_every_entrance(focal_mm):
    with pytest.raises(InputError, match="focal length on 35 mm film, 8 to 2000 mm"):
        FitOptions(focal_35mm=focal_mm)
    with pytest.raises(InputError, match="focal length on 35 mm film, 8 to 2000 mm"):
        resolve_camera((480, 640), focal_35mm=focal_mm)
