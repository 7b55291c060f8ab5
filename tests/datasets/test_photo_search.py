"""Which files of a folder are photos, and what is said of the others."""

import time
from pathlib import Path

import pytest
from PIL import Image

from render_fit.core.errors import InputError
from render_fit.datasets.photo_search import find_photos
from tests.datasets.test_photo_folder import touch


def found(*paths, **options):
    photos = find_photos(list(paths), **options)
    return [path.name for path in photos.images], " | ".join(photos.left_out)


def test_photos_of_a_folder_are_sorted_and_what_was_made_from_them_is_left_out_and_told(tmp_path):
    made = ("a_mask.png", "a_PARTS.png", "b_rendered.png", "c_IUV.png", "a_occluders.png")
    touch(
        tmp_path, "b.JPG", "a.png", "lonely_mask.png", ".hidden.png", "notes.txt", "c.webp", "a_keypoints.json", *made
    )
    (tmp_path / "deeper.png").mkdir()
    images, told = found(tmp_path)
    assert images == ["a.png", "b.JPG", "c.webp", "lonely_mask.png"]
    for name in ("a_PARTS.png", "b_rendered.png", "notes.txt", "deeper.png", "a_keypoints.json", "1 more"):
        assert name in told, name
    assert ".hidden" not in told and "folders in folders are not searched" in told


def test_files_about_photos_that_are_used_are_not_told(tmp_path):
    touch(tmp_path, "a.png", "a_mask.png", "a_keypoints.json")
    assert found(tmp_path, observations=tmp_path) == (["a.png"], "")


@pytest.mark.parametrize(
    "name, content, hint",
    [
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic", "HEIC is not read: convert"),
        ("img.heif", b"", "HEIC is not read"),
        ("unnamed", b"\0\0\0\x18ftypheic", "HEIC photo"),
        ("shot.NEF", b"MM\0*", "raw photos"),
        ("clip.mov", b"\0\0\0\x18ftypqt  ", "videos are not read"),
        ("drawing.psd", b"8BPS", "not read: convert"),
        ("page.html", b"<html>", "no images"),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(tmp_path, name, content, hint):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"contains no image .*{name} \({hint}"):
        find_photos([tmp_path])
    touch(tmp_path, "a.jpg")
    images, told = found(tmp_path)
    # raw photos are TIFF files inside
    assert images == ["a.jpg"] and name in told


@pytest.mark.parametrize("name", ["two.jfif", "three.JPE", "four.pjpeg", "no ending", "IMG.JPG.download", "photo.HEIC"])
def test_photos_of_unusual_names_are_found_by_their_content(tmp_path, name):
    Image.new("RGB", (64, 64)).save(tmp_path / name, "JPEG")
    assert found(tmp_path) == ([name], "")


def test_label_maps_of_the_photos_name_are_no_photos(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.jpg")
    Image.new("P", (64, 64)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "b.jpg")
    Image.new("RGB", (64, 64)).save(tmp_path / "b.png")
    images, told = found(tmp_path)
    assert images == ["a.jpg", "b.jpg", "b.png"] and "a.png (label map of the photo" in told


def test_own_pictures_in_a_folder_of_a_fit_are_no_photos(tmp_path):
    touch(tmp_path, "input.jpg", "overlay.png", "side.png", "report.json", "params.npz", "mesh.obj")
    images, told = found(tmp_path)
    assert images == ["input.jpg"] and "overlay.png, side.png (render-fit's own pictures)" in told


def test_files_and_folders_can_be_mixed_and_each_photo_comes_once(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    assert found(tmp_path / "b.png", tmp_path) == (["b.png", "a.png"], "")


def test_of_a_list_of_files_what_was_made_from_others_is_left_out(tmp_path):
    touch(tmp_path, "a.png", "a_mask.png")
    assert found(tmp_path / "a.png", tmp_path / "a_mask.png")[0] == ["a.png"]
    assert found(tmp_path / "a_mask.png") == (["a_mask.png"], "")


def test_a_missing_path_or_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"gone.jpg: no such file"):
        find_photos([tmp_path / "gone.jpg"])
    with pytest.raises(InputError, match=r"contains no image .*notes.txt"):
        find_photos([touch(tmp_path, "notes.txt")])
    with pytest.raises(InputError, match="contains no image"):
        find_photos([touch(tmp_path / "empty")])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").symlink_to(Path("gone.jpg"))
    with pytest.raises(InputError, match=r"a.jpg \(no file: a broken link"):
        find_photos([tmp_path / "broken"])


def test_thousands_of_photos_are_found_in_seconds(tmp_path):
    for number in range(4000):
        (tmp_path / f"{number}.png").touch()
    begin = time.process_time()
    assert len(find_photos([tmp_path]).images) == 4000
    assert time.process_time() - begin < 10  # comparing every photo with every other took 80 s
