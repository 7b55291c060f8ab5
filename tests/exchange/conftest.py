"""A person of known pose in front of a camera, and what is observed of the person."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from render_fit.bodies import Body, BodyParameters, open_body
from render_fit.core.cameras import Camera
from render_fit.core.skeletons import COCO_17
from render_fit.observations import Observation
from render_fit.observations.observation import box_of_mask
from render_fit.renderers import make_renderer
from render_fit.renderers.base import RenderSettings
from tests.fits import known_fit


@dataclass(frozen=True)
class Person:
    """The person: true parameters, camera and observation."""

    body: Body
    parameters: BodyParameters
    camera: Camera
    observation: Observation

    @property
    def pelvis(self) -> np.ndarray:
        """(3,) pelvis joint in camera coordinates, metres."""
        return self.body(self.parameters).joints[0, 0].double().numpy()

    @property
    def pose(self) -> np.ndarray:
        """(24, 3) axis-angle."""
        return self.parameters.pose[0].double().numpy()

    @property
    def focal_px(self) -> float:
        return float(self.camera.K[0, 0, 0])


@pytest.fixture(scope="session")
def person() -> Person:
    body, fit = open_body(), known_fit(offsets=False, height=480, width=360)
    output = body(fit.parameters)
    drawn = make_renderer("cpu")(output.vertices, body.faces, fit.camera, RenderSettings()).silhouette
    assert drawn is not None
    mask = (drawn[0] > 0.5).float()
    box = box_of_mask(mask)
    assert box is not None
    points = fit.camera.project(body.keypoints(fit.parameters, COCO_17))[0]
    observation = replace(
        fit.observation, image_size=(480, 360), box=box, mask=mask, skeleton=COCO_17, keypoints_px=points,
        confidence=torch.ones(17), valid=torch.ones(480, 360, dtype=torch.bool), image=torch.full((3, 480, 360), 0.5),
        camera=fit.camera,
    )  # fmt: skip
    return Person(body, fit.parameters, fit.camera, observation)
