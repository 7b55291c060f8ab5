"""BlazePose's landmark network as a backbone: features, landmarks and 3D landmarks of the person in a crop.

The observer's weights are used, and ship with the package already. The network has seen people in photographs, so its
features transfer from synthetic images to photos better than those of a network that has seen synthetic images alone.
It expects people head up and of a certain size, which a `TurnedBackbone` gives it.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from render_fit.observations.blazepose.landmarks import INPUT_SIDE_PX, KEYPOINTS, POINTS
from render_fit.observations.blazepose.weights import read_landmark_network
from render_fit.regressors.blazepose_features import BODY_MAP, ENCODER_MAP, FEATURES, view_features, without_maps
from render_fit.regressors.turned_backbone import TurnedBackbone
from render_fit.regressors.turned_view import PersonFeatures


class BlazePoseBackbone(TurnedBackbone):
    """Features of photos by BlazePose's landmark network: `view_features` of the turned views.

    Args:
        frozen: Whether the weights stay those of the observer. Otherwise they start from them.
    """

    def __init__(self, frozen: bool = True) -> None:
        super().__init__(FEATURES, INPUT_SIDE_PX, frozen)
        if not frozen:
            self.network = without_maps(read_landmark_network())

    def features(self, images: Float[Tensor, "n 3 256 256"]) -> Float[Tensor, "n f"]:
        """`view_features`.

        Differentiability: piecewise smooth in the weights, if they are trained.
        """
        return self.observers_features(images) if self.frozen else view_features(self.network, images)


def world_landmarks(people: PersonFeatures) -> Float[Tensor, "n 33 3"]:
    """BlazePose's 3D landmarks, `core.skeletons.MEDIAPIPE_33`, metres in axes of the crop camera from the hips."""
    first = ENCODER_MAP + BODY_MAP + 5 * POINTS
    turned = people.own[:, first : first + 3 * POINTS].unflatten(1, (POINTS, 3))[:, :KEYPOINTS] / 2
    return turned @ people.view.rotation
