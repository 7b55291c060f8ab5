"""Kinds of inputs, each a strategy of hypothesis."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from tests.fuzzing.array_inputs import (
    body_files,
    motion_captures,
    pose_priors,
    result_folders,
    results,
    training_states,
    weight_files,
)
from tests.fuzzing.command_inputs import command_lines, file_names
from tests.fuzzing.fuzz_input import FuzzInput
from tests.fuzzing.image_inputs import label_maps, masks, photos
from tests.fuzzing.text_inputs import camera_files, keypoint_files, recipes, training_recipes

KINDS: dict[str, tuple[Callable[[], st.SearchStrategy[FuzzInput]], int]] = {
    "photo": (photos, 14),
    "mask": (masks, 14),
    "label map": (label_maps, 10),
    "keypoints": (keypoint_files, 16),
    "camera": (camera_files, 8),
    "recipe": (recipes, 10),
    "training recipe": (training_recipes, 6),
    "checkpoint": (weight_files, 6),
    "body": (body_files, 10),
    "pose prior": (pose_priors, 4),
    "motion capture": (motion_captures, 3),
    "result": (results, 5),
    "result folder": (result_folders, 4),
    "training state": (training_states, 2),
    "options": (command_lines, 12),
    "file name": (file_names, 5),
}
"""Kinds: strategy, and share of the inputs (of their sum)."""
