import json

import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.observations.camera_source import ASSUMED, read_camera, resolve_camera
from render_fit.pipelines.options import FitOptions, parse_box

K = [[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height_m": 178.0}, "height in metres"),
        ({"weight_kg": 0.2}, "weight in kilograms"),
        ({"weight_kg": 700.0}, "weight in kilograms"),
        ({"weight_kg": float("nan")}, "weight in kilograms"),
        ({"weight_kg": 178.0, "height_m": 0.7}, "nobody of 0.7 m"),
        ({"focal_35mm": 0.0}, "35 mm film"),
        ({"save": ("stl",)}, "obj, ply, glb, gif"),
        ({"person": "first"}, "largest, all, or a number"),
        ({"person": "²"}, "largest, all, or a number"),
        ({"person": "9" * 5000}, "largest, all, or a number"),
        ({"box": (0.0, 0.0, -1.0, 5.0)}, "width and height above zero"),
        ({"focal_35mm": 35.0, "camera": "c.json"}, "give one of them"),
    ],
)
def test_values_out_of_range_are_errors(values, message, tmp_path):
    if "camera" in values:
        values["camera"] = tmp_path / values["camera"]
    with pytest.raises(InputError, match=message):
        FitOptions(**values)


def test_person_choice():
    assert [FitOptions(person=text).person_choice for text in ("largest", "all", "2")] == ["largest", "all", 2]


def test_a_box_is_four_numbers():
    assert parse_box("1,2.5,30,40") == (1.0, 2.5, 30.0, 40.0)
    for text in ("1,2,3", "a,b,c,d", "1,2,3,4,5", ""):
        with pytest.raises(InputError, match="x,y,w,h"):
            parse_box(text)


def test_a_camera_file_is_in_pixels_of_the_photo_file_and_is_scaled_with_it(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"K": K}))
    camera, source, _ = resolve_camera((240, 320), camera=path, file_size=(480, 640))
    torch.testing.assert_close(camera.K[0], torch.tensor([[250.0, 0, 160], [0, 250, 120], [0, 0, 1]]))
    assert (camera.height, camera.width, source) == (240, 320, "c.json")


def test_a_focal_length_in_millimetres_is_of_35_mm_film():
    # 36 × 24 mm has a diagonal of 43.27 mm; 600 × 800 px one of 1000 px: 43.27 mm is 1000 px
    camera, source, _ = resolve_camera((600, 800), focal_35mm=43.2666, exif_focal_px=700.0)
    assert float(camera.K[0, 0, 0]) == pytest.approx(1000, rel=1e-4)
    assert source == "focal length 43.2666 mm"


def test_without_camera_and_focal_length_exif_decides_and_else_a_default():
    camera, source, _ = resolve_camera((600, 800), exif_focal_px=700.0)
    assert (float(camera.K[0, 0, 0]), source) == (700.0, "EXIF")
    camera, source, _ = resolve_camera((600, 800))
    assert (float(camera.K[0, 0, 0]), source) == (1000.0, ASSUMED)


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"K": 5}', '{"K": [[1, 0], [0, 1]]}', '{"K": [["a", 0, 0], [0, 1, 0], [0, 0, 1]]}',
        '{"K": [[-500, 0, 1], [0, 500, 1], [0, 0, 1]]}', '{"K": [[NaN, 0, 1], [0, 500, 1], [0, 0, 1]]}',
        '{"K": [[500, 0, 1, 0], [0, 500, 1, 0], [0, 0, 1, 0]]}', '{"K": [[500, 0, 1], [0, 500, 1], [0, 0, 2]]}',
    ],
)  # fmt: skip
def test_invalid_camera_files_are_errors(tmp_path, content):
    path = tmp_path / "c.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"c.json: .*expected"):
        read_camera(path, 480, 640)
