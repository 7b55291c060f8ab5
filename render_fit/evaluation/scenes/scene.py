"""Synthetic people with known truth: posed, placed before a camera and drawn without the project's renderers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.cameras import Camera, camera_from_focal, default_focal_px
from render_fit.evaluation.scenes.drawing import draw_mask, draw_parts, rasterize
from render_fit.observations.observation import Observation, box_of_mask
from render_fit.parts import PART_SPACES
from render_fit.skeletons import COCO_17, Skeleton

BETA_LIMIT = 2.0
"""Sampled betas are standard normal, cut here: 95 % of real adults in each component."""

FILL = 0.72
"""Share of the image's height or width (whichever binds) that a sampled person fills."""

HIDDEN_DEPTH_M = 0.12
"""A joint with the visible surface this much nearer is hidden by another part; a torso is about 0.24 m deep, so
a joint's own flesh is nearer than that."""


@dataclass(frozen=True)
class Scene:
    """One synthetic person, what was drawn of them, and the truth.

    Attributes:
        parameters: True body parameters (a batch of one) in camera coordinates; no clothing.
        camera: True camera (a batch of one).
        vertices_camera: (V, 3) true body surface, metres.
        joints_camera: (24, 3) true joints, metres.
        mask: (H, W) antialiased coverage in [0, 1] of everything that is the person, garments included.
        labels: (H, W) SMPL-24 labels, drawn at another resolution and brought to this one by nearest neighbour.
        skeleton: What the keypoints are.
        keypoints_px: (K, 2) keypoints as an annotator would give them: jittered.
        confidence: (K,) 1 visible, 0.5 hidden but annotated, 0 not annotated.
        image: (3, H, W) photograph-like RGB in [0, 1], or None.
    """

    parameters: BodyParameters
    camera: Camera
    vertices_camera: Float[Tensor, "v 3"]
    joints_camera: Float[Tensor, "j 3"]
    mask: Float[Tensor, "h w"]
    labels: Int[Tensor, "h w"]
    skeleton: Skeleton
    keypoints_px: Float[Tensor, "k 2"]
    confidence: Float[Tensor, "k"]
    image: Float[Tensor, "3 h w"] | None = None

    def observation(
        self, *, mask: bool = True, parts: bool = True, keypoints: bool = True, camera: bool = True
    ) -> Observation:
        """What a fit is given: the drawn mask, part map and keypoints, and the camera; each can be withheld.

        Raises:
            ValueError: if the person is outside the image.
        """
        box = box_of_mask(self.mask)
        if box is None:
            raise ValueError("scene: the person covers no pixel of the image")
        return Observation(
            image_size=(self.camera.height, self.camera.width),
            valid=torch.ones_like(self.mask, dtype=torch.bool),
            box=box,
            image=self.image,
            mask=self.mask if mask else None,
            keypoints_px=self.keypoints_px if keypoints else None,
            confidence=self.confidence if keypoints else None,
            skeleton=self.skeleton if keypoints else None,
            labels=self.labels if parts else None,
            part_space=PART_SPACES["smpl24"] if parts else None,
            camera=self.camera if camera else None,
            source={"mask": "drawn", "labels": "drawn", "keypoints": "drawn", "camera": "drawn"},
        )


def view_rotation(yaw_rad: float, pitch_rad: float = 0.0, roll_rad: float = 0.0) -> Float[Tensor, "3 3"]:
    """Rotation from the body's axes (y up, z forward) to the camera's (y down, z away) for an upright person.

    Args:
        yaw_rad: 0 faces the camera; positive turns the person's front to the image's right.
        pitch_rad: Camera pitch; positive looks down on the person.
        roll_rad: Camera roll.
    """
    upright = roma.rotvec_to_rotmat(torch.tensor([math.pi, 0.0, 0.0]))
    yaw = roma.rotvec_to_rotmat(torch.tensor([0.0, yaw_rad, 0.0]))
    pitch = roma.rotvec_to_rotmat(torch.tensor([pitch_rad, 0.0, 0.0]))
    roll = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, roll_rad]))
    return roll @ pitch @ upright @ yaw


def place(
    vertices: Float[Tensor, "v 3"], camera: Camera, fill: float, centre: tuple[float, float] = (0.5, 0.5)
) -> Float[Tensor, "3"]:
    """Translation that makes a surface's box fill a share of the image.

    Args:
        vertices: (V, 3) surface in camera axes, metres, anywhere.
        camera: One camera.
        fill: Share of the image's height or width, whichever binds first.
        centre: Where the box's centre lands, as shares of width and height.

    Returns:
        (3,) metres.
    """
    size_px = torch.tensor([camera.width, camera.height], dtype=vertices.dtype)
    extent = vertices.amax(dim=0) - vertices.amin(dim=0)
    target_px = size_px * torch.tensor(centre)
    depth = (camera.K[0, [0, 1], [0, 1]] * extent[:2] / (fill * size_px)).amax() + extent[2] / 2
    middle = (vertices.amax(dim=0) + vertices.amin(dim=0)) / 2
    transl = torch.cat([-middle[:2], (depth - middle[2])[None]])
    # Perspective moves the box a little: a few corrections of depth and position settle it.
    for _ in range(8):
        points = camera.project((vertices + transl)[None])[0]
        low, high = points.amin(dim=0), points.amax(dim=0)
        ratio = ((high - low) / (fill * size_px)).amax()
        z = (middle[2] + transl[2]).clamp(min=0.1)
        shift = (target_px - (low + high) / 2) / camera.K[0, [0, 1], [0, 1]] * z
        transl = transl + torch.cat([shift, (z * (ratio - 1))[None]])
    return transl


def pose_in_view(
    body: Body,
    pose: Float[Tensor, "24 3"],
    betas: Float[Tensor, "s"],
    camera: Camera,
    rotation: Float[Tensor, "3 3"],
    fill: float = FILL,
    centre: tuple[float, float] = (0.5, 0.5),
) -> BodyParameters:
    """Body parameters of a person in a pose, turned by ``rotation`` and placed in the camera's view.

    Args:
        body: The body.
        pose: (24, 3) axis-angle, radians; the pelvis in the body's own axes.
        betas: (S,) shape.
        camera: One camera.
        rotation: (3, 3) from body axes to camera axes.
        fill: Share of the image that the person fills.
        centre: Where the person's box is centred, as shares of width and height.
    """
    rotations = roma.rotvec_to_rotmat(pose)
    rotations = torch.cat([(rotation @ rotations[0])[None], rotations[1:]])[None]
    unplaced = BodyParameters(rotations=rotations, betas=betas[None], transl=torch.zeros(1, 3))
    transl = place(body(unplaced).vertices[0], camera, fill, centre)
    return BodyParameters(rotations=rotations, betas=betas[None], transl=transl[None])


def sample_betas(body: Body, rng: np.random.Generator) -> Float[Tensor, "s"]:
    """A random adult's shape: standard normal betas within ± ``BETA_LIMIT``."""
    betas = rng.standard_normal(body.n_betas).clip(-BETA_LIMIT, BETA_LIMIT)
    return torch.tensor(betas, dtype=torch.float32)


def annotate_keypoints(
    body: Body,
    parameters: BodyParameters,
    camera: Camera,
    skeleton: Skeleton,
    depth: Float[np.ndarray, "h w"],
    rng: np.random.Generator,
    jitter_px: float,
) -> tuple[Float[Tensor, "k 2"], Float[Tensor, "k"]]:
    """Keypoints as an annotator would click them.

    Visible points are off by a Gaussian of ``jitter_px`` per axis, hidden ones by twice that; half of the hidden
    ones are not annotated, like those outside the image.

    Args:
        body: The body.
        parameters: One body in camera coordinates.
        camera: One camera.
        skeleton: Which keypoints.
        depth: (H, W) nearest depth per pixel, metres; infinite for the background.
        rng: Source of the noise.
        jitter_px: Standard deviation, pixels.

    Returns:
        (K, 2) pixels and (K,) confidence: 1 visible, 0.5 hidden, 0 not annotated.
    """
    points = body.keypoints(parameters, skeleton)
    exact = camera.project(points)[0].numpy()
    z = points[0, :, 2].numpy()
    pixel = np.floor(exact).astype(int)
    inside = ((pixel >= 0) & (pixel < (camera.width, camera.height))).all(axis=1)
    column, row = pixel.clip(0, (camera.width - 1, camera.height - 1)).T
    hidden = depth[row, column] < z - HIDDEN_DEPTH_M
    spread = jitter_px * np.where(hidden, 2.0, 1.0)[:, None]
    clicked = exact + rng.standard_normal(exact.shape) * spread
    given = inside & body.supports(skeleton).numpy() & ~(hidden & (rng.random(len(z)) < 0.5))
    confidence = np.where(given, np.where(hidden, 0.5, 1.0), 0.0)
    return torch.tensor(clicked, dtype=torch.float32), torch.tensor(confidence, dtype=torch.float32)


def labels_at_another_resolution(
    vertices_camera: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    face_parts: Int[np.ndarray, "f"],
    camera: Camera,
    scale: float,
) -> Int[Tensor, "h w"]:
    """A part map drawn ``scale`` times as large as the image and brought to its size by nearest neighbour."""
    small = camera.resize(round(camera.height * scale), round(camera.width * scale))
    drawn = draw_parts(vertices_camera, faces, face_parts, small.K[0].numpy(), small.height, small.width)
    rows = (np.arange(camera.height) + 0.5) * small.height // camera.height
    columns = (np.arange(camera.width) + 0.5) * small.width // camera.width
    return torch.from_numpy(drawn[rows.astype(int)][:, columns.astype(int)].astype(np.int64))


@torch.no_grad()
def synthetic_scene(
    body: Body,
    pose: Float[Tensor, "24 3"],
    seed: int,
    *,
    betas: Float[Tensor, "s"] | None = None,
    yaw_rad: float | None = None,
    image_size: tuple[int, int] = (256, 256),
    skeleton: Skeleton = COCO_17,
    jitter: float = 0.01,
) -> Scene:
    """An unclothed person in a random view, with mask, part map and keypoints but without a photograph.

    Args:
        body: The body.
        pose: (24, 3) axis-angle, radians; the pelvis in the body's own axes.
        seed: Decides view, shape and noise.
        betas: (S,) shape; sampled if None.
        yaw_rad: 0 faces the camera; anywhere around if None.
        image_size: (H, W) pixels.
        skeleton: Which keypoints are annotated.
        jitter: Standard deviation of the keypoints' noise, as a share of the longer side of the person's box.

    Returns:
        The scene.
    """
    rng = np.random.default_rng(seed)
    height, width = image_size
    # From a wide lens (70 % of the default focal length) to a portrait lens.
    camera = camera_from_focal(default_focal_px(height, width) * rng.uniform(0.7, 2.0), height, width)
    sampled = sample_betas(body, rng)
    sampled_yaw, pitch, roll = rng.uniform(-math.pi, math.pi), rng.normal(0, 0.12), rng.normal(0, 0.03)
    centre = (0.5 + rng.uniform(-0.06, 0.06), 0.5 + rng.uniform(-0.06, 0.06))
    rotation = view_rotation(sampled_yaw if yaw_rad is None else yaw_rad, pitch, roll)
    betas = sampled if betas is None else betas
    parameters = pose_in_view(body, pose, betas, camera, rotation, centre=centre)
    output = body(parameters)
    vertices, faces = output.vertices[0].numpy(), body.faces.numpy()
    K = camera.K[0].numpy()
    mask = draw_mask(vertices, faces, K, height, width)
    depth = rasterize(vertices, faces, K, height, width).depth
    points = camera.project(output.vertices)[0]
    box_side = float((points.amax(dim=0) - points.amin(dim=0)).amax())
    keypoints_px, confidence = annotate_keypoints(body, parameters, camera, skeleton, depth, rng, jitter * box_side)
    return Scene(
        parameters=parameters,
        camera=camera,
        vertices_camera=output.vertices[0],
        joints_camera=output.joints[0],
        mask=torch.from_numpy(mask.astype(np.float32)),
        labels=labels_at_another_resolution(vertices, faces, body.face_parts.numpy(), camera, 0.7),
        skeleton=skeleton,
        keypoints_px=keypoints_px,
        confidence=confidence,
    )
