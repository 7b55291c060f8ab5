"""Saved fits of several frames with known parameters, and a body with pose correctives."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from render_fit.bodies import Body, BodyParameters, open_body
from render_fit.bodies.clothing import clothing_basis
from render_fit.export.atlas import body_atlas
from render_fit.export.parameters import SavedFit
from render_fit.export.surface_colours import SurfaceColours
from render_fit.synthesis.poses.bank import PoseBank


def moving_fit(body: Body, n_frames: int, *, offsets: bool = True, seed: int = 0) -> SavedFit:
    """Different poses of one person, upright before a camera, who turns and walks; with clothing or without."""
    generator = torch.Generator().manual_seed(seed)
    pose = PoseBank.from_prior(64, seed).sample_real(n_frames, generator).numpy().astype(np.float64)
    frames = np.arange(n_frames)
    headings = Rotation.from_rotvec(0.7 * frames[:, None] * [[0.0, 1.0, 0.0]])
    pose[:, 0] = (Rotation.from_euler("x", 180, degrees=True) * headings * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    if len(body.joint_names) != 24:
        full = np.zeros((n_frames, len(body.joint_names), 3))
        full[:, :22] = pose[:, :22]
        full[:, 22:] = 0.2 * np.sin(np.arange(full[:, 22:].size)).reshape(full[:, 22:].shape)
        pose = full
    betas = np.linspace(-1.5, 1.5, body.n_betas)
    clothing = clothing_basis(body, 3)(torch.tensor([[2.0, 0.5, -0.5]]))[0].numpy() if offsets else None
    trans = np.stack([0.1 * frames, 0.3 + 0.02 * frames, 3.0 + 0.05 * frames], 1)
    parameters = BodyParameters.from_rotvec(
        torch.from_numpy(pose).float(),
        torch.from_numpy(betas).float().expand(n_frames, -1),
        torch.from_numpy(trans).float(),
    )
    return SavedFit(
        poses=pose.reshape(n_frames, -1).astype(np.float32),
        betas=betas.astype(np.float32),
        trans=trans.astype(np.float32),
        joints=body.kinematics(parameters).joints.numpy(),
        K=np.array([[500, 0, 200], [0, 500, 300], [0, 0, 1]], dtype=np.float32),
        image_size=(600, 400),
        body=body.origin,
        offsets=clothing,
    )


def body_with_correctives() -> Body:
    """The open body with smooth displacements of up to some centimetres that depend on every joint's rotation."""
    plain = open_body()
    smooth = clothing_basis(plain, 30).directions
    mixed = smooth @ (0.04 * torch.randn(30, 207, generator=torch.Generator().manual_seed(0)))
    return Body(
        name="smpl",
        joint_names=plain.joint_names,
        parents=plain.parents,
        v_template=plain.v_template,
        shapedirs=plain.shapedirs,
        posedirs=mixed,
        J_regressor=plain.J_regressor,
        weights=plain.weights,
        faces=plain.faces,
    )


def seen_upright(points: np.ndarray) -> np.ndarray:
    """Points in camera coordinates (y down, z forward) in axes with y up and z towards the camera."""
    return points * [1.0, -1.0, -1.0]


def striped(body: Body) -> SurfaceColours:
    """A texture: red above a height, blue below."""
    atlas = body_atlas(body)
    height = atlas.interpolated(body.v_template[:, 1:2].numpy().astype(np.float64))
    upper = height > np.median(height)
    return SurfaceColours.of_texels(atlas, np.where(upper, [200, 30, 20], [10, 40, 180]).astype(np.uint8))
