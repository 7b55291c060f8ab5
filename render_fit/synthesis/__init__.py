"""Synthetic people with known truth, drawn by code that shares nothing with the project's renderers."""

from render_fit.synthesis.clothed_scene import clothed_scene
from render_fit.synthesis.placement import view_rotation
from render_fit.synthesis.poses.named import EVERYDAY_POSES, everyday_pose
from render_fit.synthesis.scene import SyntheticScene, sample_betas, synthetic_scene

__all__ = [
    "EVERYDAY_POSES",
    "SyntheticScene",
    "clothed_scene",
    "everyday_pose",
    "sample_betas",
    "synthetic_scene",
    "view_rotation",
]
