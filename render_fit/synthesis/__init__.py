"""Synthetic people with ground truth, for training, evaluation, tests and the demo (docs/synthesis.md).

The names here belong to single scenes, which are rendered independently of `render_fit.renderers`. Batches for
training come from `people_sampler.PeopleSampler`.
"""

from render_fit.synthesis.placement import view_rotation
from render_fit.synthesis.poses.named import EVERYDAY_POSES, everyday_pose
from render_fit.synthesis.scene import SyntheticScene, clothed_scene, sample_betas, synthetic_scene

__all__ = [
    "EVERYDAY_POSES",
    "SyntheticScene",
    "clothed_scene",
    "everyday_pose",
    "sample_betas",
    "synthetic_scene",
    "view_rotation",
]
