"""Synthetic people with known truth, drawn by code that shares nothing with the project's renderers."""

from render_fit.synthesis.clothed_scene import dressed_scene
from render_fit.synthesis.placement import view_rotation
from render_fit.synthesis.poses.named import EVERYDAY_POSES, everyday_pose
from render_fit.synthesis.scene import Scene, sample_betas, synthetic_scene

__all__ = [
    "EVERYDAY_POSES",
    "Scene",
    "dressed_scene",
    "everyday_pose",
    "sample_betas",
    "synthetic_scene",
    "view_rotation",
]
