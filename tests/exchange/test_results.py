"""Results of other systems, written as their code writes them, are read and placed."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.core.rotations import roma
from render_fit.exchange.results import read_results
from render_fit.exchange.smpl_results import HMR_FOCAL_PX, PELVIS_M
from render_fit.exchange.starting import StartingResults, starting_results

from .conftest import Person

SMPL, SMPLX = np.array(PELVIS_M["smpl"]), np.array(PELVIS_M["smplx"])


def started(person: Person, path: Path, frame: int | None = None):
    """First hypothesis of a fit that starts from a file, as parameters, and the notes."""
    start = starting_results(path, "photo.jpg", frame)
    hypotheses, notes = start(person.body, person.observation, person.camera, 10, 0)
    return hypotheses.variables.parameters(person.body), " | ".join(notes)


def check(person: Person, parameters, pelvis_m=1e-3, turn=1e-3):
    """The pelvis, and the rotations of all joints but the hands, are the person's."""
    found = person.body(parameters).joints[0, 0].double().numpy()
    np.testing.assert_allclose(found, person.pelvis, atol=pelvis_m)
    off = roma.rotmat_geodesic_distance(parameters.rotations[0, :22], person.parameters.rotations[0, :22])
    assert float(off.max()) < turn


def matrices(rotvec: np.ndarray) -> np.ndarray:
    return roma.rotvec_to_rotmat(torch.from_numpy(rotvec)).numpy()


def write_pickle(path: Path, value: object) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=2))
    return path


def save(path: Path, **entries: Any) -> Path:
    """``numpy.savez``; a dictionary becomes an array of one Python object, as in the files of other systems."""
    np.savez(path, **entries)
    return path


def smplify_x(person: Person) -> dict:
    """smplify-x, smplifyx/fit_single_frame.py: 'camera_' + the camera's parameters, then the body model's."""
    t = (person.pelvis - SMPLX)[None].astype(np.float32)
    return {
        "camera_rotation": np.eye(3, dtype=np.float32)[None],
        "camera_translation": t,
        "betas": np.full((1, 10), 0.3, np.float32),
        "global_orient": person.pose[:1].astype(np.float32),
        "left_hand_pose": np.zeros((1, 12), np.float32),
        "right_hand_pose": np.zeros((1, 12), np.float32),
        "jaw_pose": np.zeros((1, 3), np.float32),
        "leye_pose": np.zeros((1, 3), np.float32),
        "reye_pose": np.zeros((1, 3), np.float32),
        "expression": np.zeros((1, 10), np.float32),
        "body_pose": person.pose[1:22].reshape(1, 63).astype(np.float32),
    }


def test_smplify_x(person: Person, tmp_path: Path):
    content = smplify_x(person)
    # its focal length is 5000 px by default, which is not in the file: the person stands that much farther away
    content["camera_translation"][0] = person.pelvis * [1, 1, HMR_FOCAL_PX / person.focal_px] - SMPLX
    content["camera_translation"][0, :2] = person.pelvis[:2] - SMPLX[:2]
    parameters, notes = started(person, write_pickle(tmp_path / "000.pkl", content))
    check(person, parameters)
    assert "does not save its focal length" in notes and "another body (smplx)" in notes


def test_vposers_code_is_told(person: Person, tmp_path: Path):
    path = write_pickle(tmp_path / "000.pkl", smplify_x(person) | {"body_pose": np.zeros((1, 32), np.float32)})
    with pytest.raises(InputError, match=r"000\.pkl: body_pose holds 32 numbers, VPoser's code.*meshes"):
        read_results(path)


def hmr(person: Person) -> dict:
    """4D-Humans, hmr2/models/hmr2.py forward_step and demo.py: rotation matrices, crop camera, the crop's box."""
    turns = matrices(person.pose).astype(np.float32)
    x, y, width, height = person.observation.box
    size, px_per_m = max(width, height) * 1.2, person.focal_px / person.pelvis[2]
    pelvis_px = px_per_m * person.pelvis[:2] + [180, 240]
    centre = np.array([x + width / 2, y + height / 2])
    scale = 2 * px_per_m / size
    shift = (pelvis_px - centre) / px_per_m - SMPL[:2]
    return {
        "pred_cam": np.array([[scale, *shift]], np.float32),
        "pred_cam_t": np.array([[*shift, 2 * 5000 / (256 * scale)]], np.float32),
        "pred_smpl_params": {
            "global_orient": turns[None, :1],
            "body_pose": turns[None, 1:],
            "betas": np.zeros((1, 10), np.float32),
        },
        "box_center": centre[None].astype(np.float32),
        "box_size": np.array([size], np.float32),
    }


@pytest.mark.parametrize("form", ["pkl", "npz"])
def test_4d_humans(person: Person, tmp_path: Path, form: str):
    path = tmp_path / f"a.{form}"
    if form == "pkl":
        write_pickle(path, hmr(person))
    else:
        save(path, **hmr(person))  # pred_smpl_params becomes an array of one Python object
    parameters, notes = started(person, path)
    check(person, parameters, pelvis_m=3e-3)
    assert "weak-perspective camera in the crop" in notes


def test_4d_humans_without_the_box_of_its_crop_is_placed_by_keypoints(person: Person, tmp_path: Path):
    content = hmr(person)
    del content["box_center"], content["box_size"]
    parameters, notes = started(person, write_pickle(tmp_path / "a.pkl", content))
    check(person, parameters, pelvis_m=0.25)
    assert "box_center and box_size are missing" in notes


def test_phalp_finds_the_frame_of_the_photo(person: Person, tmp_path: Path):
    """PHALP, phalp/trackers/PHALP.py: frame path → lists over people; the camera of the padded frame."""
    turns = matrices(person.pose).astype(np.float32)
    focal = 5000 / 256 * 480
    at = np.array([*person.pelvis[:2], person.pelvis[2] * focal / person.focal_px])
    right = {"global_orient": turns[None, :1][0], "body_pose": turns[1:], "betas": np.zeros(10, np.float32)}
    wrong = right | {"body_pose": np.tile(np.eye(3, dtype=np.float32), (23, 1, 1))}
    frames = {
        f"demo/{name}.jpg": {
            "time": 0, "smpl": [smpl], "camera": [(at - SMPL).astype(np.float32)], "size": [[480, 360]], "tid": [1],
        }
        for name, smpl in (("other", wrong), ("photo", right))
    }  # fmt: skip
    path = write_pickle(tmp_path / "video.pkl", frames)
    check(person, started(person, path)[0])
    check(person, started(person, path, frame=1)[0])
    with pytest.raises(InputError, match="2 frames; there is no frame 2"):
        starting_results(path, "photo.jpg", 2)
    with pytest.raises(InputError, match=r"none of absent\.jpg; give its number with --start-frame"):
        starting_results(path, "absent.jpg")


def romp(person: Person) -> dict:
    """ROMP, simple_romp/romp/post_parser.py: (s, x, y) in the photo padded to a square, positions times s plus x, y."""
    px_per_m = person.focal_px / person.pelvis[2]
    scale = px_per_m * 2 / 480
    shift = px_per_m * person.pelvis[:2] / 240 - scale * SMPL[:2]
    own = {"smpl_thetas": person.pose.reshape(72), "smpl_betas": np.zeros(10), "cam": np.array([scale, *shift])}
    other = {**own, "smpl_thetas": np.zeros(72), "cam": np.array([scale, 3.0, 0.0])}
    return {key: np.stack([other[key], own[key]]).astype(np.float32) for key in own}


def test_romp_takes_the_person_who_is_where_the_observed_one_is(person: Person, tmp_path: Path):
    # simple_romp/romp/utils.py, ResultSaver: numpy.savez(path, results=dictionary)
    save(tmp_path / "a.npz", results=romp(person))
    parameters, notes = started(person, tmp_path / "a.npz")
    check(person, parameters, pelvis_m=3e-3)
    assert "weak-perspective" in notes


def test_bev_has_a_metric_camera_of_60_degrees(person: Person, tmp_path: Path):
    focal = 443.4 / 512 * 480
    at = np.array([*person.pelvis[:2], person.pelvis[2] * focal / person.focal_px])
    people = romp(person) | {"cam_trans": np.stack([at + 9, at - SMPL]), "smpl_betas": np.zeros((2, 11))}
    save(tmp_path / "a.npz", results=people)
    parameters, notes = started(person, tmp_path / "a.npz")
    check(person, parameters)
    assert "eleventh number" in notes


def test_amass_is_turned_from_z_up_and_tried_from_four_sides(person: Person, tmp_path: Path):
    """AMASS: poses (N, 156) of SMPL-H, z up; the frame is chosen by its number."""
    to_z_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    poses = np.zeros((3, 156))
    root = roma.rotmat_to_rotvec(torch.from_numpy(to_z_up @ matrices(person.pose[:1])[0])).numpy()
    poses[2, :66] = np.concatenate([root, person.pose[1:22].reshape(-1)])
    np.savez(
        tmp_path / "a.npz", poses=poses, trans=np.zeros((3, 3)), betas=np.zeros(16), gender="neutral",
        mocap_framerate=60.0,
    )  # fmt: skip
    hypotheses, notes = starting_results(tmp_path / "a.npz", "photo.jpg", 2)(
        person.body, person.observation, person.camera, 10, 6
    )
    assert len(hypotheses.variables) == 4 and hypotheses.variables.clothing is not None
    check(person, hypotheses.variables[:1].parameters(person.body), pelvis_m=0.25)
    assert "z up" in " ".join(notes)
    with pytest.raises(InputError, match="3 frames; there is no frame 3"):
        starting_results(tmp_path / "a.npz", "photo.jpg", 3)


def smplx_names(person: Person) -> dict:
    """The names of smplx's arguments, with intrinsics."""
    return {
        "global_orient": person.pose[:1],
        "body_pose": person.pose[1:].reshape(1, 69),
        "betas": np.full((1, 10), 0.4),
        "transl": (person.pelvis - SMPL)[None],
        "K": person.camera.K[0].numpy(),
    }


def test_smplxs_names(person: Person, tmp_path: Path):
    np.savez(tmp_path / "a.npz", **smplx_names(person))
    check(person, started(person, tmp_path / "a.npz")[0])


@pytest.mark.parametrize(("unit", "factor"), [("centimetres", 100), ("millimetres", 1000)])
def test_a_translation_in_another_unit_is_recognised(person: Person, tmp_path: Path, unit: str, factor: float):
    content = smplx_names(person)
    np.savez(tmp_path / "a.npz", **content | {"transl": factor * content["transl"]})
    parameters, notes = started(person, tmp_path / "a.npz")
    check(person, parameters)
    assert f"its translation is in {unit}" in notes


def test_y_up_is_recognised(person: Person, tmp_path: Path):
    content = smplx_names(person)
    flip = np.diag([1.0, -1, -1])
    root = roma.rotmat_to_rotvec(torch.from_numpy(flip @ matrices(person.pose[:1])[0])).numpy()
    moved = flip @ person.pelvis - SMPL  # an OpenGL camera: y up, looking along −z
    np.savez(tmp_path / "a.npz", **content | {"global_orient": root[None], "transl": moved[None]})
    parameters, notes = started(person, tmp_path / "a.npz")
    check(person, parameters, pelvis_m=0.25)
    assert "upside down" in notes


def test_a_place_elsewhere_in_the_image_is_not_taken(person: Person, tmp_path: Path):
    content = smplx_names(person)
    np.savez(tmp_path / "a.npz", **content | {"transl": content["transl"] + [4.0, 0, 0]})
    parameters, notes = started(person, tmp_path / "a.npz")
    check(person, parameters, pelvis_m=0.25)
    assert "placed by keypoints or mask" in notes


def test_our_own_fit_is_taken_with_its_shape(person: Person, tmp_path: Path):
    from render_fit.export.parameters import saved_fit, write_params

    joints = person.body(person.parameters).joints
    write_params(tmp_path / "params.npz", saved_fit(person.parameters, joints, person.camera, "open"))
    parameters, notes = started(person, tmp_path)
    check(person, parameters)
    torch.testing.assert_close(parameters.betas, person.parameters.betas)
    assert notes == "starts from params.npz (render-fit)" or notes.endswith("(render-fit)")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"body_pose": np.zeros((1, 60))}, "is for 21 joints; expected 24"),
        ({"body_pose": np.zeros((1, 70))}, "body_pose has 70 numbers; expected three"),
        ({"global_orient": np.full((1, 3), np.nan)}, "global_orient contains values that are not finite"),
        ({"transl": np.zeros((1, 2))}, "transl has the shape (2,); expected 3"),
        ({"betas": np.array(["a"])}, "betas is not an array of numbers"),
    ],
)
def test_wrong_entries_are_told(person: Person, tmp_path: Path, change: dict, words: str):
    np.savez(tmp_path / "a.npz", **smplx_names(person) | change)
    with pytest.raises(InputError) as error:
        read_results(tmp_path / "a.npz")
    assert "a.npz" in str(error.value) and words in str(error.value)


def test_files_that_are_no_results_are_told(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(InputError, match=r"a\.npz: not a result that is known \(SAM 3D Body, .*it has x"):
        read_results(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match="neither .npz nor a pickle"):
        read_results(tmp_path / "b.npz")
    with pytest.raises(InputError, match="no such file"):
        read_results(tmp_path / "c.pkl")


class Harmful:
    """What a pickle could run."""

    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("form", ["pkl", "npz"])
def test_nothing_in_a_file_is_executed(tmp_path: Path, form: str, capsys):
    path = tmp_path / f"a.{form}"
    if form == "pkl":
        path.write_bytes(pickle.dumps({"smpl_thetas": Harmful()}))
    else:
        save(path, results={"smpl_thetas": Harmful()})
    with pytest.raises(InputError, match="only arrays"):
        read_results(path)
    assert capsys.readouterr().out == ""


def test_the_result_of_nobody_is_told(tmp_path: Path):
    save(tmp_path / "a.npz", results={"smpl_thetas": np.zeros((0, 72))})
    with pytest.raises(InputError):
        StartingResults(read_results(tmp_path / "a.npz"), "a.npz")
