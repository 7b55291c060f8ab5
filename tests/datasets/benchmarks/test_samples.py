"""The research photos of the data folder, which are not in the repository."""

import numpy as np
import pytest

from render_fit.datasets.benchmarks.formats import format_of


@pytest.mark.parametrize("dataset, people, joints", [("h36m", 2, 17), ("mpi_inf_3dhp", 2, 17), ("coco", 19, None)])
def test_photos_have_the_truth_of_their_data_set(dataset, people, joints, shared_data):
    name, chosen = format_of(shared_data / dataset)
    found = chosen.read(shared_data / dataset)
    assert name == "samples" and len(found) == people
    assert len({one.name for one in found}) == people and all(one.image_path.is_file() for one in found)
    for one in found:
        assert one.image.startswith(dataset) and one.box_xywh.shape == (4,)
        if joints is None:
            assert one.mask.path.is_file() and one.joints is None
            continue
        projected = one.joints @ one.K.T
        offset = np.linalg.norm(projected[:, :2] / projected[:, 2:] - one.keypoints_px, axis=1)
        assert one.joints.shape == (joints, 3) and offset.max() < 3


def test_photos_of_up3d_have_no_truth(shared_data):
    found = format_of(shared_data / "up3d_photos", "up3d")[1].read(shared_data / "up3d_photos")
    assert len(found) == 24 and all(one.image_path.is_file() for one in found)
    assert all(one.smpl is None and one.keypoints_px is None for one in found)
