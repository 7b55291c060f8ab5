"""Sound files of every kind that the program reads, small ones, as bytes or as the values in them."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from render_fit.core.c_streams import quiet_c_libraries
from tests.photos import HEIGHT, WIDTH, write_person

QUICK_FIT = ("--out", "out", "--recipe", "in/quick.yaml", "--save", "")
"""Options of a command that fits, with the recipe of `sound_files` and without meshes."""

LABEL_SPACES = ("smpl24", "nbf12", "atr", "lip", "cihp", "pascal", "densepose24")


@cache
def person() -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Pixels of a photo (H, W, 3), its mask (H, W), and COCO's 51 keypoint numbers."""
    with tempfile.TemporaryDirectory() as folder:
        photo = write_person(Path(folder))
        pixels, mask = np.asarray(Image.open(photo)), np.asarray(Image.open(photo.with_name("person_mask.png")))
        keypoints = json.loads(photo.with_name("person_keypoints.json").read_text())[0]["keypoints"]
    return pixels, mask, keypoints


def png(pixels: np.ndarray) -> bytes:
    """A PNG file."""
    return image_file(Image.fromarray(pixels), "PNG")


def image_file(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image file; of another mode if the format cannot hold the image's."""
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), quiet_c_libraries():
            warnings.simplefilter("ignore")
            image.save(buffer, kind, **options)
    except Exception:  # encoders refuse in many ways
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, kind if kind != "GIF" else "PNG")
    return buffer.getvalue()


@cache
def sound_files() -> dict[str, bytes]:
    """The files of a fit that works: photo, mask, keypoints and recipe."""
    from tests.photos import QUICK_RECIPE

    pixels, mask, numbers = person()
    return {
        "photo.png": png(pixels),
        "mask.png": png(mask),
        "keypoints.json": json.dumps([{"keypoints": numbers}]).encode(),
        "quick.yaml": QUICK_RECIPE.encode(),
    }


@cache
def keypoint_trees() -> tuple[Any, ...]:
    """Keypoint files of OpenPose, COCO, AlphaPose and MMPose, as JSON values."""
    numbers = person()[2]
    scores = [[x, y, 0.5 * v] for x, y, v in np.reshape(numbers, (17, 3)).tolist()]
    flat = [value for row in scores for value in row]
    body_25 = flat + [0.0] * (3 * 8)
    pairs = [row[:2] for row in scores]
    image = {"id": 7, "file_name": "photo.png", "height": HEIGHT, "width": WIDTH}
    annotation = {"image_id": 7, "keypoints": numbers, "bbox": [20, 10, 80, 170], "category_id": 1, "num_keypoints": 17}
    return (
        [{"keypoints": numbers}],
        {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": body_25, "face_keypoints_2d": []}]},
        {"images": [image, {"id": 8, "file_name": "other.png"}], "annotations": [annotation, annotation]},
        [{"image_id": "photo.png", "keypoints": flat, "score": 2.9, "box": [20, 10, 80, 170], "idx": 0}],
        {"meta_info": {}, "instance_info": [{"frame_id": 0, "instances": [{"keypoints": pairs,
         "keypoint_scores": [row[2] for row in scores], "bbox": [[20, 10, 100, 180]]}]}]},
        {"photo.png": [{"keypoints": flat, "imageHeight": HEIGHT, "imageWidth": WIDTH}]},
    )  # fmt: skip


CAMERA_TREES: tuple[Any, ...] = (
    {"K": [[210.0, 0.0, 64.0], [0.0, 210.0, 96.0], [0.0, 0.0, 1.0]], "width": WIDTH, "height": HEIGHT},
    [[210.0, 0.0, 64.0], [0.0, 210.0, 96.0], [0.0, 0.0, 1.0]],
    {"camera": {"fx": 210.0, "fy": 210.0, "cx": 64.0, "cy": 96.0, "distortion": [0.1, 0.0, 0.0, 0.0]}},
    {"camera_matrix": {"rows": 3, "cols": 3, "data": [210.0, 0, 64.0, 0, 210.0, 96.0, 0, 0, 1]}, "dist_coeffs": None},
    {"intrinsics": [210.0, 0.0, 0.0, 0.0, 210.0, 0.0, 64.0, 96.0, 1.0], "h": HEIGHT, "w": WIDTH},
)


@cache
def recipe_texts() -> dict[str, str]:
    """Shipped recipes of fits."""
    folder = resources.files("render_fit.fitting") / "recipes"
    shipped = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir()}
    return {"quick.yaml": sound_files()["quick.yaml"].decode(), **shipped}


TRAINING_RECIPE: dict[str, Any] = {
    "name": "small",
    "regressor": {
        "size": 32, "width": 32, "depth": 1, "n_clothing": 0, "hypotheses": 2,
        "backbone": {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1],
                     "layer_type": "basic"},
    },
    "people": {}, "poses": {}, "losses": {}, "observation_noise": {},
    "optimiser": {"learning_rate": 0.003, "warm_up": 1},
    "steps": 4, "batch": 8, "shard": 4, "save_every": 2, "validate_every": 3, "seed": 0, "precision": "no",
}  # fmt: skip


@cache
def checkpoints() -> dict[str, tuple[bytes, str]]:
    """Weights of a small regressor and of a small pose prior: the file, and the key of its configuration."""
    from render_fit.losses.priors import vae
    from render_fit.regressors.checkpoint import save_regressor
    from render_fit.regressors.config import RegressorConfig
    from render_fit.regressors.hub import KEY
    from render_fit.regressors.network import Regressor

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_regressor(Regressor(RegressorConfig(**TRAINING_RECIPE["regressor"])), path)
        regressor = path.read_bytes()
    prior = resources.files("render_fit.losses.priors") / "assets" / "pose_vae.safetensors"
    return {"regressor": (regressor, KEY), "pose_vae": (prior.read_bytes(), vae.KEY)}


@cache
def body_arrays() -> dict[str, np.ndarray]:
    """Arrays of a body file with SMPL's 24 joints and three vertices around each."""
    from render_fit.bodies import open_body

    body = open_body()
    joints = body.rest_joints(body.v_template.new_zeros(1, 10))[0].numpy()
    ring = 0.05 * np.array([[1.0, 0.0, 0.0], [-0.5, 0.8, 0.0], [-0.5, -0.8, 0.0]])
    vertices = (joints[:, None] + ring).reshape(-1, 3).astype(np.float32)
    owner = np.repeat(np.arange(24), 3)
    parents = np.array([2**32 - 1, *body.parents[1:]], dtype=np.uint32)
    return {
        "v_template": vertices,
        "shapedirs": (0.01 * np.random.default_rng(0).normal(size=(72, 3, 10))).astype(np.float32),
        "J_regressor": (np.arange(24)[:, None] == owner).astype(np.float32) / 3,
        "weights": (owner[:, None] == np.arange(24)).astype(np.float32),
        "posedirs": np.zeros((72, 3, 9 * 23), np.float32),
        "kintree_table": np.stack([parents, np.arange(24, dtype=np.uint32)]),
        "f": np.arange(72, dtype=np.uint32).reshape(24, 3),
    }


@cache
def params_arrays() -> dict[str, np.ndarray]:
    """Arrays of a fit's params.npz, of the photo of `person`."""
    from render_fit.export.parameters import saved_fit
    from tests.fits import known_fit

    fit = known_fit(height=HEIGHT, width=WIDTH)
    saved = saved_fit(fit.parameters, fit.output.joints, fit.camera, fit.body_name)
    return {key: np.asarray(value) for key, value in vars(saved).items() if value is not None}


@cache
def report_tree() -> dict[str, Any]:
    """A report.json."""
    from render_fit.pipelines.options import FitOptions
    from tests.fits import known_fit

    about = {"image": "photo.png", "person": 0, "people": 1, "options": FitOptions().plain(), "inputs": {"photo": "0"}}
    return {**known_fit().report.model_dump(mode="json"), **about, "image_size": [HEIGHT, WIDTH]}


@cache
def mixture_arrays() -> dict[str, np.ndarray]:
    """Arrays of a pose mixture (.npz)."""
    rng = np.random.default_rng(0)
    return {"means": rng.normal(size=(2, 63)), "covariances": np.stack([np.eye(63)] * 2), "weights": np.full(2, 0.5)}


@cache
def training_state() -> bytes:
    """State of a training of `TRAINING_RECIPE` after two of its steps."""
    from render_fit.synthesis.poses.bank import load_pose_bank
    from render_fit.training.loop import train
    from render_fit.training.recipe import TrainingRecipe
    from render_fit.training.runs import make_people_sampler

    recipe = TrainingRecipe(**TRAINING_RECIPE)
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder), make_people_sampler(recipe, load_pose_bank(None)), workers=0, stop_after=2)
        return (Path(folder) / "state.pt").read_bytes()


@cache
def motion_capture() -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]]:
    """The arrays of each motion-capture file, a few poses in each, and the lengths of the bones."""
    from render_fit.bodies import open_body
    from render_fit.datasets.mocap import FILES

    rng, files = np.random.default_rng(0), {}
    for name in FILES:
        expmap = "expmap" in name
        files[name] = {
            "rotvec": rng.normal(scale=0.2, size=(30, 38 if expmap else 31, 3)).astype(np.float32),
            "clip": np.repeat(np.arange(3), 10),
            "clip_names": np.array(["train/walking/walking_1"] * 3 if expmap else ["01_01", "02_01", "90_11"]),
        }
    body = open_body()
    joints = body.rest_joints(body.v_template.new_zeros(1, 10))[0].numpy()
    parents = list(body.parents)
    offsets = [[0.0, 0.0, 0.0], *(joints[1:] - joints[parents[1:]]).tolist()]
    return files, {"offsets_m": offsets, "parents": parents}


def compile_kernels() -> None:
    """Fits the example once: on a machine whose kernels are not compiled yet, an input would take the blame."""
    from render_fit.datasets.photo_folder import PhotoFiles
    from render_fit.pipelines.folder import fit_folder
    from render_fit.pipelines.options import FitOptions
    from tests.photos import write_recipe

    with tempfile.TemporaryDirectory() as folder:
        photo, recipe = write_person(Path(folder)), write_recipe(Path(folder))
        mask, keypoints = (photo.with_name(f"person_{name}") for name in ("mask.png", "keypoints.json"))
        options = FitOptions(recipe=str(recipe), save=())
        fit_folder(photo, options, Path(folder) / "out", files=PhotoFiles(mask, keypoints))


@cache
def make_all() -> None:
    """Makes all examples."""
    compile_kernels()
    for make in (
        sound_files, keypoint_trees, recipe_texts, checkpoints, body_arrays, params_arrays, report_tree, mixture_arrays,
        training_state, motion_capture,
    ):  # fmt: skip
        make()
