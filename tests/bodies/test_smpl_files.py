"""SMPL-family files: the open body written in their layout and read back; error messages."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

from render_fit.bodies import Body, BodyFileError, BodyParameters, load_body, load_smpl_file, smpl_arrays
from render_fit.core.skeletons import COCO_17, MEDIAPIPE_33, SMPL_24


def write_pickle(path: Path, arrays: dict) -> Path:
    content = {**arrays, "J_regressor": scipy.sparse.csc_matrix(arrays["J_regressor"]), "bs_type": "lrotmin"}
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


@pytest.fixture(scope="module")
def arrays(body: Body) -> dict[str, np.ndarray]:
    return smpl_arrays(body)


def with_joints(arrays: dict, parents: list[int]) -> dict:
    """The open body with additional joints: the arrays of a SMPL-H or SMPL-X file."""
    more, v = len(parents) - 22, len(arrays["v_template"])
    face, (left, right) = more - 30, arrays["weights"][:, 22:, None].transpose(1, 0, 2)
    fingers = [np.zeros((v, face)), np.repeat(left / 15, 15, 1), np.repeat(right / 15, 15, 1)]
    weights = np.concatenate([arrays["weights"][:, :22], *fingers], 1)
    regressor = np.concatenate([arrays["J_regressor"][:22], np.repeat(arrays["J_regressor"][20:21], more, 0)])
    tree = np.array([parents, range(len(parents))], dtype=np.int64)
    tree[0, 0] = 2**32 - 1
    posedirs = np.zeros((v, 3, 9 * (len(parents) - 1)), np.float32)
    return {**arrays, "weights": weights, "J_regressor": regressor, "kintree_table": tree, "posedirs": posedirs}


def smplh_parents(first: int) -> list[int]:
    left = [20 if k % 3 == 0 else first + k - 1 for k in range(15)]
    right = [21 if k % 3 == 0 else first + 15 + k - 1 for k in range(15)]
    return left + right


BODY_PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]


@pytest.mark.parametrize("form", ["npz", "pkl"])
def test_a_smpl_file_is_read_back_completely(arrays: dict, body: Body, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"SMPL_NEUTRAL.{form}"
    if form == "npz":
        np.savez(path, **arrays)
    else:
        write_pickle(path, arrays)
    loaded = load_body(path)
    assert loaded.name == "smpl" and loaded.joint_names == SMPL_24.joints and loaded.n_betas == 10
    pose, betas, transl = 0.3 * torch.randn(2, 24, 3), torch.randn(2, 10), torch.randn(2, 3)
    parameters = BodyParameters.from_rotvec(pose, betas, transl)
    torch.testing.assert_close(loaded(parameters).vertices, body(parameters).vertices, atol=1e-6, rtol=0)
    assert torch.equal(loaded.face_parts, body.face_parts)


@pytest.mark.parametrize(
    ("name", "parents"),
    [("smplh", BODY_PARENTS + smplh_parents(22)), ("smplx", [*BODY_PARENTS, 15, 15, 15, *smplh_parents(25)])],
)
def test_the_number_of_joints_selects_smplh_and_smplx(arrays: dict, tmp_path: Path, name: str, parents: list) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, **with_joints(arrays, parents))
    body = load_smpl_file(path)
    assert body.name == name and len(body.joint_names) == len(parents)
    assert body.joint_names[-1] == "right_thumb3"
    assert set(body.face_parts.tolist()) <= set(range(24))
    finger = body.weights[:, -15:].sum(1) + body.weights[:, -30:-15].sum(1) > 0.6
    assert set(body.vertex_parts[finger].tolist()) <= {SMPL_24.index("left_hand"), SMPL_24.index("right_hand")}
    assert body.supports(SMPL_24).all()  # the hand joint is read from the middle finger's knuckle
    assert body.supports(MEDIAPIPE_33)[MEDIAPIPE_33.index("left_index")]
    assert body(body.zero_parameters()).vertices.isfinite().all()


def test_landmarks_of_a_mesh_with_unknown_vertex_order(arrays: dict, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    body = load_smpl_file(tmp_path / "a.npz")
    supported = dict(zip(COCO_17.joints, body.supports(COCO_17).tolist(), strict=True))
    assert supported["left_knee"] and not supported["nose"] and not supported["left_ear"]
    assert body.keypoints(body.zero_parameters(), COCO_17).isfinite().all()


def test_published_vertex_numbers_are_used_on_the_published_mesh(arrays: dict, tmp_path: Path) -> None:
    """6,890 vertices: nose 332 and left big toe 3216 (smplx.vertex_ids), head top 411 (SMPLify)."""
    n = 6890
    cut = {
        **arrays,
        "v_template": arrays["v_template"][:n],
        "shapedirs": arrays["shapedirs"][:n],
        "posedirs": arrays["posedirs"][:n],
        "weights": arrays["weights"][:n],
        "J_regressor": arrays["J_regressor"][:, :n],
        "f": arrays["f"][(arrays["f"] < n).all(1)],
    }
    np.savez(tmp_path / "a.npz", **cut)
    body = load_smpl_file(tmp_path / "a.npz")
    at = {name: int(row.argmax()) for name, row in zip(body.landmark_names, body.landmark_regressor, strict=True)}
    assert (at["nose"], at["left_big_toe"], at["head_top"]) == (332, 3216, 411)
    assert body.supports(COCO_17).all()


def test_a_folder_in_smplxs_layout(arrays: dict, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "smpl"
    folder.mkdir(parents=True)
    for gender, scale in (("NEUTRAL", 1.0), ("FEMALE", 0.9)):
        write_pickle(folder / f"SMPL_{gender}.pkl", {**arrays, "v_template": scale * arrays["v_template"]})
    height = {
        g: float(np.ptp(load_smpl_file(tmp_path / "models", g).v_template[:, 1])) for g in (None, "neutral", "female")
    }
    assert height[None] == height["neutral"] > height["female"] + 0.1
    with pytest.raises(FileNotFoundError, match=r"SMPL_MALE\.pkl.*there is: smpl/SMPL_FEMALE\.pkl, smpl/SMPL_NEUTRAL"):
        load_smpl_file(tmp_path / "models", "male")
    np.savez(tmp_path / "models" / "SMPLX_NEUTRAL.npz", **arrays)
    with pytest.raises(BodyFileError, match="several models.*path of one file"):
        load_smpl_file(tmp_path / "models")


def test_the_only_available_gender_is_the_default(arrays: dict, tmp_path: Path) -> None:
    write_pickle(tmp_path / "SMPL_MALE.pkl", arrays)
    assert load_smpl_file(tmp_path).name == "smpl"


SITE_NAMES = [
    ("smpl/models/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl", "neutral"),
    ("smpl/models/basicModel_f_lbs_10_207_0_v1.0.0.pkl", "female"),
    ("smpl/models/basicmodel_m_lbs_10_207_0_v1.1.0.pkl", "male"),
    ("SMPL_python_v.1.1.0/smpl/models/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl", "neutral"),
    ("SMPL_NEUTRAL.PKL", "neutral"),
    ("smplh/neutral/model.npz", "neutral"),
    ("smplh/Female/model.NPZ", "female"),
    ("mano_v1_2/models/SMPLH_male.pkl", "male"),
    ("models/smplx/SMPLX_NEUTRAL_2020.npz", "neutral"),
    ("smplx_locked_head/male/model.npz", "male"),
]


@pytest.mark.parametrize(("name", "gender"), SITE_NAMES, ids=[name for name, _ in SITE_NAMES])
def test_files_are_found_under_the_names_of_their_sites(arrays: dict, tmp_path: Path, name: str, gender: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "smplx_vert_segmentation.json").write_text("{}")
    (path.parent / "MANO_SMPLX_vertex_ids.pkl").write_bytes(b"")
    if path.suffix.lower() == ".npz":
        with path.open("wb") as file:
            np.savez(file, **arrays)
    else:
        write_pickle(path, arrays)
    for wanted in (None, gender):
        assert load_smpl_file(tmp_path, wanted).origin == str(path)
    with pytest.raises(FileNotFoundError, match=path.name):
        load_smpl_file(tmp_path, "female" if gender == "male" else "male")


def broken(arrays: dict, key: str, change) -> dict:
    return {**arrays, key: change(arrays[key].astype(np.float64))}


BROKEN = {
    "NaN in the template": ("v_template", lambda a: a * np.nan, "v_template contain values that are not finite"),
    "one NaN in shapedirs": (
        "shapedirs",
        lambda a: np.where(np.arange(a.size).reshape(a.shape) == 9, np.nan, a),
        "finite",
    ),
    "infinite weights": ("weights", lambda a: a / 0.0, "finite"),
    "NaN in J_regressor": ("J_regressor", lambda a: a * np.nan, "J_regressor contain"),
    "millimetres": ("v_template", lambda a: 1000 * a, "1696 m high .* metres, not millimetres"),
    "centimetres": ("v_template", lambda a: 100 * a, "169.6 m high"),
    "inches": ("v_template", lambda a: 39.37 * a, "66.77 m high"),
    "z up": ("v_template", lambda a: a[:, [0, 2, 1]], "is y its up axis"),
    "a point": ("v_template", lambda a: 0 * a, "0 m high"),
    "shapes in millimetres": ("shapedirs", lambda a: 1000 * a, "shapedirs moves a vertex by"),
    "weights in per cent": ("weights", lambda a: 100 * a, "rows of weights must sum to 1, got 100"),
    "joints elsewhere": ("J_regressor", lambda a: 3 * a, "J_regressor places a joint"),
    "children before parents": ("kintree_table", lambda a: a[:, ::-1], "parent before it"),
    "no faces": ("f", lambda a: a[:0], "f must be triangles"),
}


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("what", BROKEN)
def test_values_that_no_body_has_are_refused(arrays: dict, tmp_path: Path, what: str) -> None:
    key, change, message = BROKEN[what]
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **broken(arrays, key, change))
    with pytest.raises(BodyFileError, match=message):
        load_smpl_file(tmp_path / "SMPL_NEUTRAL.npz")


@pytest.mark.parametrize("name", ["SMPL_NEUTRAL.pkl", "SMPL_NEUTRAL.npz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"", "empty"),
        (b"\x1f\x8b\x08", "gzip archive"),
        (b"PK\x03\x04 cut short", "damaged"),
    ],
)
def test_what_is_no_model_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BodyFileError, match=message) as error:
        load_smpl_file(tmp_path / name)
    assert "can run code" not in str(error.value)


def test_the_content_tells_the_format_not_the_ending(arrays: dict, tmp_path: Path) -> None:
    with (tmp_path / "model.pkl").open("wb") as file:
        np.savez(file, **arrays)
    write_pickle(tmp_path / "model.bin", arrays)
    for name in ("model.pkl", "model.bin"):
        assert load_smpl_file(tmp_path / name).name == "smpl"
    (tmp_path / "model.zip").write_bytes((tmp_path / "model.pkl").read_bytes())
    with pytest.raises(BodyFileError, match="unpack it"):
        load_smpl_file(tmp_path / "model.zip")


def test_error_messages(arrays: dict, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        load_smpl_file(tmp_path / "absent.pkl")
    with pytest.raises(FileNotFoundError, match="no body 'opne'"):
        load_body("opne")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="there is: nothing"):
        load_smpl_file(tmp_path / "empty")
    np.savez(tmp_path / "poses.npz", poses=np.zeros((5, 72)), betas=np.zeros(10))
    with pytest.raises(BodyFileError, match="has no v_template.*it has betas, poses"):
        load_smpl_file(tmp_path / "poses.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(BodyFileError, match="damaged"):
        load_smpl_file(tmp_path / "cut.npz")
    np.savez(tmp_path / "objects.npz", **{**arrays, "weights": np.array([{}], dtype=object)})
    with pytest.raises(BodyFileError, match="Python objects"):
        load_smpl_file(tmp_path / "objects.npz")
    np.savez(tmp_path / "hand.npz", **{**arrays, "weights": arrays["weights"][:, :16]})
    with pytest.raises(BodyFileError, match="16 joints"):
        load_smpl_file(tmp_path / "hand.npz")
    np.savez(tmp_path / "odd.npz", **{**arrays, "J_regressor": arrays["J_regressor"][:, :-1]})
    with pytest.raises(BodyFileError, match="J_regressor must have shape"):
        load_smpl_file(tmp_path / "odd.npz")
    (tmp_path / "body.fbx").write_text("x")
    with pytest.raises(BodyFileError, match=r"neither \.npz nor \.pkl"):
        load_smpl_file(tmp_path / "body.fbx")
    np.savez(tmp_path / "good.npz", **arrays)
    with pytest.raises(ValueError, match="gender must be one of"):
        load_smpl_file(tmp_path / "good.npz", "woman")
    with pytest.raises(ValueError, match="n_betas must be 1 to 10"):
        load_smpl_file(tmp_path / "good.npz", n_betas=11)
