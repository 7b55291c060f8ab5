"""Pictures of a network's inputs: each kind that it uses, where it is, and nothing that it does not see."""

import numpy as np
import torch

from render_fit.core.parts import N_PARTS
from render_fit.core.skeletons import CANONICAL_KEYPOINTS
from render_fit.pipelines.training_page.inputs import (
    BACKGROUND,
    KEYPOINT,
    PERSON,
    UNKNOWN,
    input_pictures,
    part_palette,
)
from render_fit.regressors.config import RegressorConfig
from render_fit.regressors.inputs import RegressorInputs

SIZE, K = 32, len(CANONICAL_KEYPOINTS)


def an_input() -> RegressorInputs:
    """A person on the left half of the image, unknown in its lowest quarter; a part in a corner; one keypoint."""
    silhouette = torch.full((1, SIZE, SIZE), -1.0)
    silhouette[:, :, : SIZE // 2] = 1.0
    silhouette[:, -SIZE // 4 :] = 0.0
    parts = torch.zeros(1, N_PARTS, SIZE, SIZE)
    parts[:, 5, :4, :4] = 1.0
    keypoints, confidence = torch.zeros(1, K, 2), torch.zeros(1, K)
    keypoints[0, 0], confidence[0, 0] = torch.tensor([0.5, -0.5]), 1.0  # a quarter from the right and from the top
    photo = torch.full((1, 3, SIZE, SIZE), -0.5)
    nothing = torch.zeros(1, K)
    return RegressorInputs(silhouette, parts, keypoints, confidence, nothing, nothing, torch.tensor([1.5]), photo)


def picture(**config) -> np.ndarray:
    return input_pictures(an_input(), RegressorConfig(size=SIZE, **config), 128)[0].astype(int)


def close(pixel: np.ndarray, colour) -> bool:
    return bool(np.abs(pixel - np.asarray(colour)).max() <= 2)


def test_silhouette_parts_and_keypoints_are_where_they_are() -> None:
    shown = picture(pictures=("silhouette", "parts"))
    assert shown.shape == (128, 128, 3)
    assert close(shown[60, 30], 255 * np.array(PERSON)) and close(shown[60, 100], 255 * np.array(BACKGROUND))
    assert close(shown[120, 30], 255 * np.array(UNKNOWN)) and close(shown[120, 100], 255 * np.array(UNKNOWN))
    assert close(shown[8, 8], 255 * part_palette()[5])
    assert close(shown[32, 96], KEYPOINT)


def test_what_the_network_does_not_use_is_not_drawn() -> None:
    shown = picture(pictures=("parts",), keypoints=False)
    assert close(shown[60, 30], 255 * np.array(BACKGROUND))
    assert close(shown[32, 96], 255 * np.array(BACKGROUND))
    assert close(shown[8, 8], 255 * part_palette()[5])
    assert close(picture(pictures=("photo",), keypoints=False), np.full(3, 64))  # −0.5 of −1 to 1


def test_a_low_confidence_is_paler() -> None:
    seen = an_input()
    seen.confidence[0, 0] = 0.4
    faint = input_pictures(seen, RegressorConfig(size=SIZE), 128)[0].astype(int)[32, 96]
    expected = 0.4 * np.array(KEYPOINT) + 0.6 * 255 * np.array(BACKGROUND)
    assert np.abs(faint - expected).max() < 4
