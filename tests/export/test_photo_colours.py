from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image

from render_fit.bodies import open_body
from render_fit.bodies.mesh_operators import mirror_vertices
from render_fit.core.cameras import camera_from_focal
from render_fit.core.errors import InputError
from render_fit.core.files import write_json
from render_fit.export.parameters import SavedFit
from render_fit.export.photo_colours import ColourFrame, photo_colours, view_weights
from render_fit.export.photo_frames import colours_of_photos, photo_files
from render_fit.renderers import make_renderer
from render_fit.synthesis.independent_rasterizer import rasterize
from tests.export.motions import moving_fit

BODY = open_body()
RENDERER = make_renderer("cpu")
CAMERA = camera_from_focal(700.0, 640, 480)
BACKGROUND = (1.0, 0.0, 1.0)


def paint():
    """(V, 3) colours that vary over the body, different left and right; green is never 0, unlike the background's."""
    x, y, z = BODY.v_template.numpy().T
    return np.stack([0.5 + 0.3 * np.sin(8 * y), 0.6 + 0.2 * np.sin(5 * x), 0.5 + 0.3 * np.sin(9 * z)], 1)


def photo(vertices, background=BACKGROUND):
    """The painted body before a plain background, drawn by another rasteriser than the one under test."""
    raster = rasterize(vertices.numpy(), BODY.faces.numpy(), CAMERA.K[0].numpy(), CAMERA.height, CAMERA.width)
    shown = raster.face_index >= 0
    colours = (raster.weights[..., None] * paint()[BODY.faces.numpy()[raster.face_index]]).sum(-2)
    return torch.from_numpy(np.where(shown[..., None], colours, background)).permute(2, 0, 1).float()


def standing(heading):
    """Vertices of a person who stands before the camera, turned by an angle in radians; 0: facing it."""
    parameters = BODY.zero_parameters()
    turn = torch.tensor([[np.cos(heading), 0, np.sin(heading)], [0, 1, 0], [-np.sin(heading), 0, np.cos(heading)]])
    parameters.rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ turn.float()
    parameters.transl[:] = torch.tensor([0.0, 0.1, 2.9])
    return BODY(parameters).vertices[0]


def test_colours_of_seen_vertices_are_those_of_the_photos():
    frames = [
        ColourFrame(vertices, CAMERA, photo(vertices)) for vertices in (standing(0.0), standing(np.pi), standing(1.6))
    ]
    colours = photo_colours(BODY, frames, RENDERER) / 255
    seen = (
        sum(
            view_weights(vertices, BODY.faces, CAMERA, RENDERER) for vertices in (one.vertices_camera for one in frames)
        )
        > 0
    )
    assert seen.mean() > 0.5  # fingers and inner sides are not
    error = np.abs(colours - paint()).max(axis=1)
    assert np.median(error[seen]) < 0.01 and np.quantile(error[seen], 0.99) < 0.05
    assert np.abs(colours - BACKGROUND).max(axis=1).min() > 0.3  # no background anywhere
    assert np.quantile(error[~seen], 0.9) < 0.3  # filled in, smoothly


def test_what_one_side_hides_comes_from_the_other():
    vertices = standing(np.pi / 2)
    frames = [ColourFrame(vertices, CAMERA, photo(vertices))]
    colours = photo_colours(BODY, frames, RENDERER)
    seen = view_weights(vertices, BODY.faces, CAMERA, RENDERER) > 0
    mirror = mirror_vertices(BODY.v_template).numpy()
    hidden = ~seen & seen[mirror]
    assert hidden.sum() > 500
    np.testing.assert_array_equal(colours[hidden], colours[mirror[hidden]])
    side = np.sign(BODY.v_template[:, 0].numpy()[seen & (np.abs(BODY.v_template[:, 0].numpy()) > 0.15)])
    assert np.abs(side.mean()) > 0.95  # one side of the body is seen


def test_an_arm_before_the_trunk_hides_it():
    fit = moving_fit(BODY, 1, offsets=False)
    fit.poses[0, 3 * 16 : 3 * 17] = [0.0, -1.2, -0.6]  # the left upper arm across the chest
    with torch.no_grad():
        vertices = BODY(fit.parameters()).vertices[0]
    camera = fit.camera()
    weights = view_weights(vertices, BODY.faces, camera, RENDERER)
    raster = rasterize(vertices.numpy(), BODY.faces.numpy(), camera.K[0].numpy(), camera.height, camera.width)
    columns, rows = np.floor(camera.project(vertices[None])[0].numpy()).astype(int).T
    within = (rows >= 0) & (rows < camera.height) & (columns >= 0) & (columns < camera.width)
    depth = np.full(len(vertices), np.inf)
    depth[within] = raster.depth[rows[within], columns[within]]
    hidden = vertices[:, 2].numpy() > depth + 0.03
    assert hidden.sum() > 1_000 and not weights[hidden].any()


def test_a_reduced_photo_and_a_person_outside_of_it():
    vertices = standing(0.0)
    small = torch.nn.functional.interpolate(photo(vertices)[None], scale_factor=0.5, mode="area")[0]
    colours = photo_colours(BODY, [ColourFrame(vertices, CAMERA, small)], RENDERER) / 255
    seen = view_weights(vertices, BODY.faces, CAMERA, RENDERER) > 0
    assert np.quantile(np.abs(colours - paint()).max(axis=1)[seen], 0.95) < 0.05
    away = vertices + torch.tensor([50.0, 0.0, 0.0])
    assert photo_colours(BODY, [ColourFrame(away, CAMERA, small)], RENDERER) is None


def test_nothing_is_sampled_outside_of_the_mask():
    vertices = standing(0.0)
    moved = vertices + torch.tensor([0.04, 0.0, 0.0])  # the body of the fit covers background on one side
    image = photo(vertices)
    mask = (image != torch.tensor(BACKGROUND)[:, None, None]).any(0).float()
    found = [photo_colours(BODY, [ColourFrame(moved, CAMERA, image, one)], RENDERER) / 255 for one in (None, mask)]
    background = [np.abs(colours - BACKGROUND).max(axis=1) < 0.3 for colours in found]
    assert background[0].mean() > 0.02 and not background[1].any()


def test_pieces_without_a_seen_vertex_have_the_mean_colour():
    # eyes, teeth: small pieces of the mesh behind the face
    vertices = standing(0.0)
    grey = torch.full((3, 640, 480), 0.5)
    colours = photo_colours(BODY, [ColourFrame(vertices, CAMERA, grey)], RENDERER)
    assert set(np.unique(colours)) <= {127, 128}


@dataclass(frozen=True)
class Frames(SavedFit):
    """A fit that names its images."""

    image_names: np.ndarray | None = None
    found: np.ndarray | None = None
    image_sizes: np.ndarray | None = None


def test_photos_of_frames_are_found_by_name(tmp_path):
    images, fit = tmp_path / "images", tmp_path / "fit"
    images.mkdir()
    fit.mkdir()
    saved = moving_fit(BODY, 3, offsets=False)
    frames = Frames(**{**vars(saved), "image_names": np.array(["a", "gone", "c"])})
    for name in ("a.png", "c.jpg", "d.png"):
        Image.new("RGB", (200, 300), (10, 200, 30)).save(images / name, quality=100, subsampling=0)
    assert photo_files(frames, fit, images) == {0: images / "a.png", 2: images / "c.jpg"}
    colours = colours_of_photos(frames, BODY, fit, images).astype(int)
    assert np.abs(colours - [10, 200, 30]).max() <= 2
    unseen = replace(frames, found=np.array([False, True, True]))  # nobody was found in the first one
    assert photo_files(unseen, fit, images) == {2: images / "c.jpg"}
    with pytest.raises(InputError, match="has none of the fit's images"):
        photo_files(frames, fit)
    paths = {"a": str(images / "a.png"), "gone": str(images / "gone.png"), "c": str(images / "c.jpg")}
    write_json(fit / "report.json", {"image_paths": paths})
    assert photo_files(frames, fit) == {0: images / "a.png", 2: images / "c.jpg"}
    with pytest.raises(InputError, match="has none of the fit's images"):
        photo_files(frames, fit, fit)
    with pytest.raises(InputError, match="the fit has 3 frames; give their folder"):
        photo_files(frames, fit, images / "a.png")
    with pytest.raises(InputError, match="does not say of which images"):
        photo_files(saved, fit, images)


def test_photos_of_other_shapes_are_refused(tmp_path):
    frames = Frames(**{**vars(moving_fit(BODY, 2, offsets=False)), "image_names": np.array(["a", "b"])})
    Image.new("RGB", (200, 300)).save(tmp_path / "a.png")
    Image.new("RGB", (200, 200)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"b.png: the image is 200×200 px, but the fit is of an image of 400×600 px"):
        colours_of_photos(frames, BODY, tmp_path, tmp_path)
    sized = replace(frames, image_sizes=np.array([[600, 400], [400, 400]]))
    assert not colours_of_photos(sized, BODY, tmp_path, tmp_path).any()
