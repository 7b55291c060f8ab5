"""Readers of the research photos against facts from the README of the data."""

from pathlib import Path

import pytest
import torch

from render_fit.datasets import images


@pytest.mark.parametrize(
    ("name", "count"),
    [("coco", 19), ("ccp", 30), ("up3d", 24), ("h36m", 2), ("mpi_inf_3dhp", 2), ("octopus", 8)],
)
def test_every_sample_is_read_at_its_photos_size(shared_data: Path, name: str, count: int):
    samples = images.READERS[name](shared_data)
    assert len(samples) == count
    assert len({sample.name for sample in samples}) == count
    for sample in samples:
        assert sample.image_path.is_file()
        if sample.mask is not None:
            assert sample.mask.shape == (sample.height, sample.width)
            assert 0.005 < sample.mask.float().mean() < 0.9


def test_labels_of_street_photos_are_read_by_name(shared_data: Path):
    for sample in images.read_ccp(shared_data):
        assert sample.mask is not None
        pixels = images.ccp_pixels(sample, ("skin", "hair"))
        assert pixels.shape == sample.mask.shape and pixels.any() and not (pixels & ~sample.mask).any()
        assert torch.equal(pixels, images.ccp_pixels(sample, ("skin",)) | images.ccp_pixels(sample, ("hair",)))
        assert not (images.ccp_pixels(sample, ("null", "bag")) & sample.mask).any()
    with pytest.raises(ValueError, match="cloak"):
        images.ccp_pixels(sample, ("cloak",))


def test_coco_keypoints_lie_in_the_mask_of_their_person(shared_data: Path):
    inside = []
    for sample in images.read_coco(shared_data):
        points = sample.keypoints_px[sample.confidence > 0].long()
        inside.append(sample.mask[points[:, 1].clamp(max=sample.height - 1), points[:, 0]].float())
    # Clicked points and drawn polygons of one person agree up to hidden joints and a pixel at the ends.
    assert torch.cat(inside).mean() > 0.85


@pytest.mark.parametrize("name", ["h36m", "mpi_inf_3dhp"])
def test_true_joints_project_onto_their_pixels(shared_data: Path, name: str):
    # Measured: medians 0.0 to 1.0 px, maxima 1.5 to 2.6 px. Human3.6M's K leaves out the distortion, and
    # 3DHP's hips and pelvis were placed in 2D and in 3D by different rules.
    for sample in images.READERS[name](shared_data):
        px = sample.camera.project(sample.joints_camera[None])[0]
        distance = (px - sample.keypoints_px).norm(dim=-1)
        assert distance.median() < 1.1
        assert distance.max() < 3.0
        shoulder, hip = (sample.joints_camera[sample.skeleton.index(f"left_{j}")] for j in ("shoulder", "hip"))
        assert 0.3 < (shoulder - hip).norm() < 0.7


def test_reference_box_of_a_mask():
    mask = torch.zeros(10, 20, dtype=torch.bool)
    mask[2:5, 3:9] = True
    sample = images.PhotoSample("made", "a", Path("a.png"), 10, 20, mask=mask)
    assert sample.reference_box.tolist() == [3.0, 2.0, 6.0, 3.0]


def test_missing_data_are_an_error_with_the_folder(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="RENDER_FIT_DATA"):
        images.data_folder(tmp_path / "nowhere")
