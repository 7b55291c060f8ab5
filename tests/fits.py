"""A fit with known parameters, made without fitting: what export, runs and the command line are tested with."""

from __future__ import annotations

from dataclasses import replace

import torch

from render_fit.bodies import BodyParameters, open_body
from render_fit.core.cameras import camera_from_focal
from render_fit.fitting.result import BeforeAfter, FitReport, FitResult
from render_fit.observations import Observation


def known_fit(*, offsets: bool = True, height: int = 240, width: int = 160, status: str = "ok") -> FitResult:
    """A person of known pose, 3 m in front of a camera, left arm down, with or without clothing."""
    body = open_body()
    pose = torch.zeros(1, 24, 3)
    pose[0, 0] = torch.tensor([3.0, 0.0, 0.0])  # upright, leaning back a little
    pose[0, 16] = torch.tensor([0.0, 0.0, -1.1])
    betas = torch.linspace(-0.5, 0.5, 10)[None]
    clothing = 0.01 * torch.sin(torch.arange(body.n_vertices * 3.0)).reshape(1, -1, 3) if offsets else None
    parameters = BodyParameters.from_rotvec(pose, betas, torch.tensor([[0.1, -0.2, 3.0]]), clothing)
    camera = camera_from_focal(1.1 * height, height, width)
    observation = Observation(
        image_size=(height, width),
        valid=torch.ones(height, width, dtype=torch.bool),
        box=(30.0, 20.0, 100.0, 200.0),
        image=torch.full((3, height, width), 0.5),
        source={"mask": "mediapipe 0.10.21"},
    )
    report = FitReport(
        status=status,
        reason="made up",
        iou=BeforeAfter(before=0.7, after=0.875),
        part_iou=None,
        keypoint_error_px=BeforeAfter(before=4.0, after=3.0),
        unexplained_share=BeforeAfter(before=0.25, after=0.125),
        body_outside_share=BeforeAfter(before=0.0625, after=0.03125),
        losses={"keypoints": 0.5},
        beta_max=0.5,
        seconds={"search": 1.0, "total": 1.5},
        notes=["focal length is a guess"],
        sources={"mask": "mediapipe 0.10.21"},
        recipe={"name": "hybrid"},
        versions={"python": "3"},
    )
    with torch.no_grad():
        output = body(parameters)
        unclothed = body(replace(parameters, offsets=None)).vertices if offsets else None
    return FitResult(
        parameters, output, body.faces, body.face_parts, body.name, camera, observation, report,
        unclothed_vertices=unclothed,
    )  # fmt: skip
