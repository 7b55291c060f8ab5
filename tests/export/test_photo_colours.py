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
from render_fit.export.atlas import body_atlas
from render_fit.export.parameters import SavedFit
from render_fit.export.photo_colours import SURE, photo_colours
from render_fit.export.photo_frames import colours_of_photos, photo_files
from render_fit.export.photo_samples import ColourFrame, view_weights
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


def texels(colours):
    """(P, 3) RGB 0–1 of the texels on the surface."""
    return colours.texture[colours.atlas.covered] / 255


def seen_texels(frames):
    """(P,) how well the best of the photos shows each texel."""
    atlas = body_atlas(BODY)
    return np.max([view_weights(frame, BODY, atlas, RENDERER) for frame in frames], axis=0)


def test_colours_of_what_is_seen_are_those_of_the_photos():
    frames = [ColourFrame(one, CAMERA, photo(one)) for one in (standing(0.0), standing(np.pi), standing(1.6))]
    colours = photo_colours(BODY, frames, RENDERER)
    seen, true = seen_texels(frames) > SURE, body_atlas(BODY).interpolated(paint())
    assert seen.mean() > 0.5  # inner sides and what is close to outlines are not
    error = np.abs(texels(colours) - true).max(axis=1)
    assert np.median(error[seen]) < 0.01 and np.quantile(error[seen], 0.99) < 0.05
    assert np.abs(texels(colours) - BACKGROUND).max(axis=1).min() > 0.3  # no background anywhere
    assert np.quantile(error[~seen], 0.9) < 0.3  # filled in, smoothly
    error = np.abs(colours.vertices / 255 - paint()).max(axis=1)
    assert np.median(error) < 0.02 and np.quantile(error, 0.9) < 0.2


def test_an_outlier_of_one_photo_is_left_out():
    frames = [ColourFrame(one, CAMERA, photo(one)) for one in (standing(0.0), standing(0.3), standing(-0.3))]
    clean = photo_colours(BODY, frames, RENDERER)
    stained = frames[0].image.clone()
    stained[:, 230:260, 215:265] = torch.tensor([0.0, 0.0, 1.0])[:, None, None]  # something before the chest
    spoiled = photo_colours(BODY, [replace(frames[0], image=stained), *frames[1:]], RENDERER)
    alone = photo_colours(BODY, [replace(frames[0], image=stained)], RENDERER)
    changed = [np.abs(texels(one) - texels(clean)).max(axis=1) > 0.15 for one in (spoiled, alone)]
    assert changed[1].mean() > 0.005 and changed[0].sum() < 0.02 * changed[1].sum()


def test_photos_of_different_exposure_and_white_balance_agree():
    true, errors = body_atlas(BODY).interpolated(paint()), []
    frames = [ColourFrame(one, CAMERA, photo(one)) for one in map(standing, np.arange(0, 2 * np.pi, np.pi / 3))]
    seen = seen_texels(frames) > SURE
    factors = torch.tensor([[1.0, 1.0, 1.0], [0.7, 0.8, 0.7], [1.1, 1.0, 1.2], [0.8, 0.8, 0.9], [1, 1, 1], [0.9, 1, 1]])
    for changed in (1.0, factors):
        lit = [replace(frame, image=(frame.image * one[:, None, None]).clamp(0, 1))
               for frame, one in zip(frames, torch.ones(6, 3) * changed, strict=True)]  # fmt: skip
        found = texels(photo_colours(BODY, lit, RENDERER))[seen]
        common = (found * true[seen]).sum(0) / (true[seen] ** 2).sum(0)  # what brightness is right, no photo tells
        errors.append(np.abs(found / common - true[seen]).mean())
    assert errors[0] < 0.01 and errors[1] < 0.01  # without the factors 0.056


def test_what_one_side_hides_comes_from_the_other():
    vertices = standing(np.pi / 2)
    frame = ColourFrame(vertices, CAMERA, photo(vertices))
    colours = photo_colours(BODY, [frame], RENDERER).vertices.astype(int)
    weights = seen_texels([frame])
    around = body_atlas(BODY).around_vertices()
    seen, some = around @ (weights > SURE) > 0.8 * around.sum(axis=1).A1, around @ weights > 0
    mirror = mirror_vertices(BODY.v_template).numpy()
    x = BODY.v_template[:, 0].numpy()
    hidden = ~some & seen[mirror] & (np.abs(x) > 0.15)  # light and paint of both sides meet in the middle
    assert hidden.sum() > 200
    assert np.quantile(np.abs(colours - colours[mirror])[hidden], 0.95) < 12
    assert np.abs(np.sign(x[seen & (np.abs(x) > 0.15)]).mean()) > 0.95  # one side of the body is seen


def test_an_arm_before_the_trunk_hides_it():
    fit = moving_fit(BODY, 1, offsets=False)
    fit.poses[0, 3 * 16 : 3 * 17] = [0.0, -1.2, -0.6]  # the left upper arm across the chest
    with torch.no_grad():
        vertices = BODY(fit.parameters()).vertices[0]
    camera, atlas = fit.camera(), body_atlas(BODY)
    nothing = torch.zeros(3, camera.height, camera.width)
    weights = view_weights(ColourFrame(vertices, camera, nothing), BODY, atlas, RENDERER)
    raster = rasterize(vertices.numpy(), BODY.faces.numpy(), camera.K[0].numpy(), camera.height, camera.width)
    points = torch.from_numpy(atlas.interpolated(vertices.numpy())).float()
    columns, rows = np.floor(camera.project(points[None])[0].numpy()).astype(int).T
    within = (rows >= 0) & (rows < camera.height) & (columns >= 0) & (columns < camera.width)
    depth = np.full(len(points), np.inf)
    depth[within] = raster.depth[rows[within], columns[within]]
    hidden = points[:, 2].numpy() > depth + 0.03
    assert hidden.sum() > 50_000 and not weights[hidden].any()


def test_a_reduced_photo_and_a_person_outside_of_it():
    vertices = standing(0.0)
    small = torch.nn.functional.interpolate(photo(vertices)[None], scale_factor=0.5, mode="area")[0]
    colours = texels(photo_colours(BODY, [ColourFrame(vertices, CAMERA, small)], RENDERER))
    seen = seen_texels([ColourFrame(vertices, CAMERA, photo(vertices))]) > 2 * SURE
    error = np.abs(colours - body_atlas(BODY).interpolated(paint())).max(axis=1)
    assert np.quantile(error[seen], 0.95) < 0.05
    away = vertices + torch.tensor([50.0, 0.0, 0.0])
    assert photo_colours(BODY, [ColourFrame(away, CAMERA, small)], RENDERER) is None
    assert photo_colours(BODY, [], RENDERER) is None


def test_a_photo_that_the_person_fills():
    vertices = standing(0.0)
    inside = camera_from_focal(4000.0, 64, 48)  # a part of the chest
    filled = torch.full((3, 64, 48), 0.25)
    seen = view_weights(ColourFrame(vertices, inside, filled), BODY, body_atlas(BODY), RENDERER)
    assert 100 < (seen > 0).sum() < 0.02 * len(seen) and np.isfinite(seen).all()


def test_nothing_is_sampled_outside_of_the_mask():
    vertices = standing(0.0)
    moved = vertices + torch.tensor([0.06, 0.0, 0.0])  # the body of the fit covers background on one side
    image = photo(vertices)
    mask = (image != torch.tensor(BACKGROUND)[:, None, None]).any(0).float()
    mask[:, ::40] = 0  # cracks are no border
    found = [photo_colours(BODY, [ColourFrame(moved, CAMERA, image, one)], RENDERER) for one in (None, mask)]
    background = [np.abs(texels(colours) - BACKGROUND).max(axis=1) < 0.3 for colours in found]
    assert background[0].mean() > 0.02 and not background[1].any()


def test_fingers_do_not_show_what_is_between_them():
    vertices = standing(0.0)
    image, skin = torch.ones(3, 640, 480), torch.tensor([0.8, 0.5, 0.4])
    columns = CAMERA.project(vertices[None])[0, :, 0]
    hands = np.isin(BODY.vertex_parts.numpy(), (22, 23))
    palm = float(np.abs(columns.numpy()[hands] - 240).min()) + 30
    image[:, :, round(240 - palm) : round(240 + palm)] = skin[:, None, None]  # the fingers are elsewhere
    colours = photo_colours(BODY, [ColourFrame(vertices, CAMERA, image)], RENDERER).vertices[hands] / 255
    assert np.abs(colours - skin.numpy()).max() < 0.1


def test_pieces_without_a_seen_vertex_have_the_mean_colour():
    # eyes, teeth: small pieces of the mesh behind the face
    vertices = standing(0.0)
    grey = torch.full((3, 640, 480), 0.5)
    colours = photo_colours(BODY, [ColourFrame(vertices, CAMERA, grey)], RENDERER)
    assert set(np.unique(colours.texture)) <= {127, 128}


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
    colours = colours_of_photos(frames, BODY, fit, images).texture.astype(int)
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
    assert not colours_of_photos(sized, BODY, tmp_path, tmp_path).texture.any()
