"""Synthetic people with known truth, drawn by code that shares nothing with the project's renderers."""

from render_fit.evaluation.scenes.dressed import dressed_scene
from render_fit.evaluation.scenes.poses import EVERYDAY_POSES, everyday_pose
from render_fit.evaluation.scenes.scene import Scene, sample_betas, synthetic_scene, view_rotation

__all__ = [
    "EVERYDAY_POSES",
    "Scene",
    "dressed_scene",
    "everyday_pose",
    "sample_betas",
    "synthetic_scene",
    "view_rotation",
]
