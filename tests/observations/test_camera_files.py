"""Camera files in the spellings that exist, and what is wrong with implausible ones."""

import json

import pytest
import torch

from render_fit.core.cameras import Camera, camera_from_focal, check_camera
from render_fit.core.errors import InputError
from render_fit.observations.camera_files import read_camera

HEIGHT, WIDTH = 480, 640
K = [[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]]
FLAT = [value for row in K for value in row]
BY_COLUMNS = [K[row][column] for column in range(3) for row in range(3)]
NUMBERS = {"fx": 500, "fy": 510, "cx": 320, "cy": 240}

SPELLINGS = {
    "K": {"K": K},
    "bare": K,
    "flat": FLAT,
    "flat K": {"K": FLAT},
    "3x4": {"K": [[*row, 0.0] for row in K]},
    "intrinsics": {"intrinsics": K},
    "camera_matrix": {"camera_matrix": K},
    "OpenCV": {"camera_matrix": {"rows": 3, "cols": 3, "dt": "d", "data": FLAT}},
    "Open3D": {"width": 640, "height": 480, "intrinsic_matrix": BY_COLUMNS},
    "numbers": NUMBERS,
    "numbers as text": {key: str(value) for key, value in NUMBERS.items()},
    "nested numbers": {"camera": NUMBERS},
    "numbers in intrinsics": {"intrinsics": NUMBERS},
    "nerfstudio": {"fl_x": 500, "fl_y": 510, "cx": 320, "cy": 240, "w": 640, "h": 480},
    "RealSense": {"fx": 500, "fy": 510, "ppx": 320, "ppy": 240, "width": 640, "height": 480},
    "batch of one": {"K": [K]},
}


@pytest.mark.parametrize("content", SPELLINGS.values(), ids=SPELLINGS)
def test_one_camera_in_all_spellings(tmp_path, content):
    (tmp_path / "K.json").write_text(json.dumps(content))
    camera, notes = read_camera(tmp_path / "K.json", HEIGHT, WIDTH)
    torch.testing.assert_close(camera.K[0], torch.tensor(K))
    assert notes == ()


@pytest.mark.parametrize("keys", [("width", "height"), ("w", "h"), ("image_width", "image_height")])
@pytest.mark.parametrize("factor", [4, 0.5])
def test_a_stated_size_scales_the_camera(tmp_path, keys, factor):
    scaled = [[factor * value for value in row] for row in K[:2]] + [K[2]]
    content = {"K": scaled, keys[0]: factor * WIDTH, keys[1]: factor * HEIGHT}
    (tmp_path / "K.json").write_text(json.dumps(content))
    camera, notes = read_camera(tmp_path / "K.json", HEIGHT, WIDTH)
    torch.testing.assert_close(camera.K[0], torch.tensor(K))
    assert f"{factor * WIDTH:g}×{factor * HEIGHT:g} px" in notes[0] and "scaled" in notes[0]


@pytest.mark.parametrize(
    "K, message",
    [
        ([[2000, 0, 1280], [0, 2000, 960], [0, 0, 1]], r"\(1280, 960\).* about 2560×1920 px; state the size"),
        ([[250, 0, 160], [0, 250, 120], [0, 0, 1]], "about 320×240 px; state the size"),
        ([[500, 0, 240], [0, 500, 320], [0, 0, 1]], "before its rotation"),
        ([[500, 0, 0], [0, 500, 0], [0, 0, 1]], r"\(0, 0\) is not in the middle"),
        ([[500, 0, 0.5], [0, 500, 0.5], [0, 0, 1]], "expected cx and cy, K's third column, in pixels"),
        ([[4.2, 0, 2.4], [0, 4.2, 1.6], [0, 0, 1]], "is K in millimetres"),
        ([[0.8, 0, 0.5], [0, 1.0, 0.5], [0, 0, 1]], "is K normalised"),
        ([[50000000, 0, 320], [0, 50000000, 240], [0, 0, 1]], "about an image of another size"),
        ([[500, 0, 320], [0, 5000, 240], [0, 0, 1]], "nearly equal"),
        ([[500, 0, 320], [0, -500, 240], [0, 0, 1]], "no plausible number of pixels"),
        ([[500, 0, 320], [3, 500, 240], [0, 0, 1]], "expected K ="),
    ],
)
def test_implausible_cameras_name_the_likely_cause(tmp_path, K, message):
    (tmp_path / "K.json").write_text(json.dumps({"K": K}))
    with pytest.raises(InputError, match=message) as caught:
        read_camera(tmp_path / "K.json", HEIGHT, WIDTH)
    assert str(caught.value).startswith(str(tmp_path / "K.json"))


def test_the_camera_of_a_crop_and_distortion_are_told(tmp_path):
    crop = {"K": [[500, 0, -100], [0, 500, 240], [0, 0, 1]], "dist_coeffs": [0.1, 0, 0, 0]}
    (tmp_path / "K.json").write_text(json.dumps(crop))
    camera, notes = read_camera(tmp_path / "K.json", HEIGHT, WIDTH)
    assert float(camera.K[0, 0, 2]) == -100 and "distortion is not modelled" in notes[0] and "as in a crop" in notes[1]
    for size, message in (((640, 500), "expected the camera of this photo"), ((480, 640), "rotated by its EXIF")):
        (tmp_path / "K.json").write_text(json.dumps({"K": K, "width": size[0], "height": size[1]}))
        with pytest.raises(InputError, match=message):
            read_camera(tmp_path / "K.json", HEIGHT, WIDTH)


@pytest.mark.parametrize("focal_px", [1.1, 60.0, 1e7])
def test_one_check_of_cameras_serves_all_entrances(focal_px):
    with pytest.raises(InputError, match="camera: focal lengths of"):
        check_camera(camera_from_focal(focal_px, HEIGHT, WIDTH), "camera")
    broken = Camera(torch.full((1, 3, 3), torch.nan), HEIGHT, WIDTH)
    with pytest.raises(InputError, match="K is not finite"):
        check_camera(broken, "camera")
