"""Keypoints from heat maps: against known peaks, and against transformers' own decoding."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

from render_fit.core.errors import InputError
from render_fit.core.skeletons import COCO_17
from render_fit.observations.hub.heatmaps import decode
from render_fit.observations.hub.networks import Network, load_network
from render_fit.observations.hub.pose import PoseNetwork, in_photo, person_region
from render_fit.observations.hub.preprocessing import Preprocessing
from tests.observations import hub_models


def gaussians(centres, height=64, width=48, sigma=2.0, peak=0.8):
    """(1, K, h, w) heat maps as ViTPose was trained with: a Gaussian of two cells around each keypoint."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    maps = [peak * torch.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2)) for cx, cy in centres]
    return torch.stack(maps)[None].float()


CENTRES = [(10.0, 20.0), (10.3, 20.4), (30.49, 5.51), (24.5, 40.0), (40.2, 60.7)]


def test_peaks_are_found_between_cells():
    """The logarithm of a Gaussian is a parabola; the blur before leaves it one."""
    points, scores = decode(gaussians(CENTRES))
    torch.testing.assert_close(points[0], torch.tensor(CENTRES), atol=0.03, rtol=0)
    # at most half a cell from the peak along both axes: 0.8 exp(−(0.5² + 0.5²) / 8) = 0.752
    assert bool((scores > 0.75).all()) and scores[0, 0].item() == pytest.approx(0.8)


def test_decoding_is_that_of_transformers():
    generator = torch.Generator().manual_seed(0)
    heatmaps = gaussians(CENTRES) + 0.02 * torch.rand(1, len(CENTRES), 64, 48, generator=generator)
    box = (30.0, 12.0, 80.0, 200.0)
    theirs = VitPoseImageProcessorPil().post_process_pose_estimation(
        SimpleNamespace(heatmaps=heatmaps), boxes=[[np.array(box)]]
    )[0][0]
    points, scores = decode(heatmaps)
    ours = in_photo(points[0], heatmaps, person_region(box, 192 / 256))
    torch.testing.assert_close(ours, theirs["keypoints"].float(), atol=2e-3, rtol=0)
    torch.testing.assert_close(scores[0], theirs["scores"])


def test_peaks_at_edges_and_flat_maps_stay_in_their_cell():
    edge, _ = decode(gaussians([(0.0, 0.0), (47.0, 63.0)]))
    assert float((edge[0] - torch.tensor([[0.0, 0.0], [47.0, 63.0]])).abs().max()) <= 1
    flat, scores = decode(torch.zeros(1, 1, 64, 48))
    assert flat.tolist() == [[[0.0, 0.0]]] and scores.tolist() == [[0.0]]
    assert bool(decode(torch.full((1, 1, 64, 48), float("1e9")))[0].isfinite().all())


class LowerShoulder(torch.nn.Module):
    """Sees a person from behind, whose shoulder on the bright side of the image is higher than the other one."""

    config = SimpleNamespace(backbone_config=SimpleNamespace(num_experts=1))

    def forward(self, values):
        maps, last = torch.zeros(len(values), 17, *values.shape[2:]), values.shape[3] - 1
        for one, out in zip(values[:, 0], maps, strict=True):
            bright_left = bool(one[:, : last // 2].mean() > one[:, last // 2 :].mean())
            out[COCO_17.index("left_shoulder"), 10 if bright_left else 20, 10] = 0.5
            out[COCO_17.index("right_shoulder"), 20 if bright_left else 10, last - 10] = 0.5
        return SimpleNamespace(heatmaps=maps)


def test_left_and_right_are_exchanged_in_the_mirror_image():
    network = Network(
        "behind", LowerShoulder(), COCO_17.joints, Preprocessing({"height": 64, "width": 48}), torch.device("cpu")
    )
    image = torch.zeros(3, 64, 48)
    image[:, :, :24] = 1.0
    box = (24 - 24 / 1.25, 32 - 32 / 1.25, 48 / 1.25, 64 / 1.25)  # its region is the image
    points, scores = PoseNetwork(network, mirrored=True)(image, [box])
    shoulders = [COCO_17.index("left_shoulder"), COCO_17.index("right_shoulder")]
    assert scores[0, shoulders].tolist() == [0.5, 0.5]  # half of it if the two disagreed
    expected = torch.tensor([[10 * 48 / 47, 10 * 64 / 63], [37 * 48 / 47, 20 * 64 / 63]])
    torch.testing.assert_close(points[0, shoulders], expected)


def test_networks_for_other_keypoints_are_refused(tmp_path):
    network = load_network("pose network", str(hub_models.vitpose(tmp_path / "pose")), torch.device("cpu"))
    with pytest.raises(InputError, match="'hands': has 16 keypoints; expected COCO's 17, or 133"):
        PoseNetwork(Network("hands", network.model, COCO_17.joints[:16], network.preprocessing, network.device), True)
    shortest = Preprocessing({"shortest_edge": 192})
    with pytest.raises(InputError, match="expected a height and a width of its input"):
        PoseNetwork(Network("other", network.model, COCO_17.joints, shortest, network.device), True)


def test_nobody_has_no_keypoints(tmp_path):
    network = load_network("pose network", str(hub_models.vitpose(tmp_path / "pose")), torch.device("cpu"))
    points, scores = PoseNetwork(network, True)(torch.zeros(3, 40, 40), [])
    assert points.shape == (0, 17, 2) and scores.shape == (0, 17)
    many, _ = PoseNetwork(network, False)(torch.zeros(3, 40, 40), [(float(i), 0.0, 10.0, 20.0) for i in range(20)])
    assert many.shape == (20, 17, 2)  # more than a batch
    torch.testing.assert_close(many[19], many[0] + torch.tensor([19.0, 0.0]))
