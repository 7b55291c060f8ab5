"""Weights, body files, priors, motion capture, results and states of trainings: files of arrays."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

import numpy as np
import scipy.sparse
import torch
import yaml
from hypothesis import strategies as st

from tests.fuzzing import examples
from tests.fuzzing.damage import Draw, damaged_arrays, damaged_bytes, damaged_json, damaged_npz, damaged_tree, npz
from tests.fuzzing.fuzz_input import FuzzInput, fit_input


@st.composite
def weight_files(draw: Draw) -> FuzzInput:
    which = draw(st.sampled_from(sorted(examples.checkpoints())))
    sound, key = examples.checkpoints()[which]
    content = draw(damaged_safetensors(sound, key))
    readers = ((which, ("in/weights.safetensors",)),)
    if which == "regressor":
        files, more = {"weights.safetensors": content}, ("--regressor", "in/weights.safetensors")
        return fit_input("checkpoint", files, *more, readers=readers)
    recipe = (
        examples.sound_files()["quick.yaml"].decode().replace("free: [orient, position, pose, betas]", "free: [latent]")
    )
    files = {"weights.safetensors": content, "quick.yaml": f"pose_vae: in/weights.safetensors\n{recipe}".encode()}
    return fit_input("checkpoint", files, readers=readers)


@st.composite
def damaged_safetensors(draw: Draw, content: bytes, key: str) -> bytes:
    """Weights whose configuration, table of tensors or bytes are damaged."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    how = draw(st.sampled_from(("configuration", "configuration", "table", "weights", "bytes")))
    if how == "bytes":
        return draw(damaged_bytes(content))
    if how == "configuration":
        text = json.dumps(draw(damaged_tree(json.loads(header["__metadata__"][key]))))
        nested = draw(st.integers(0, 15)) == 0
        header["__metadata__"][key] = '{"a":' * 5000 if nested else text
    elif how == "table":
        header = draw(damaged_tree(header))
    else:
        number = draw(st.sampled_from((b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f")))
        start = 4 * draw(st.integers(0, len(data) // 4 - 1))
        data = data[:start] + number + data[start + 4 :]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


@st.composite
def body_files(draw: Draw) -> FuzzInput:
    if draw(st.booleans()):
        name, content = "SMPL_NEUTRAL.npz", draw(damaged_npz(examples.body_arrays()))
    else:
        name, content = "SMPL_NEUTRAL.pkl", draw(pickles(examples.body_arrays()))
    readers = (("body", (f"in/{name}",)),)
    if draw(st.integers(0, 3)):
        return FuzzInput("body", {name: content}, ("body", "info", f"in/{name}"), readers)
    return fit_input("body", {name: content}, "--body", f"in/{name}", readers=readers)


@st.composite
def pickles(draw: Draw, arrays: dict[str, np.ndarray]) -> bytes:
    """A pickled dictionary with damaged arrays, sparse matrices, other objects, or damaged bytes."""
    changed: dict[Any, Any] = draw(damaged_arrays(arrays))
    if "J_regressor" in changed and draw(st.booleans()):
        make = draw(st.sampled_from((scipy.sparse.csc_matrix, scipy.sparse.csr_matrix, scipy.sparse.coo_matrix)))
        try:
            sparse = make(changed["J_regressor"])
            damaged = draw(st.sampled_from(("", "data", "indices", "indptr", "row")))
            if damaged and hasattr(sparse, damaged):
                sparse.__dict__[damaged] = draw(st.sampled_from((np.zeros(3), np.full(5, 10**6), None, "x")))
            changed["J_regressor"] = sparse
        except (TypeError, ValueError):
            pass
    for name in draw(st.lists(st.sampled_from(sorted(map(str, changed)) or ["f"]), max_size=2)):
        changed[name] = draw(
            st.sampled_from((None, [[1, 2], [3]], {"x": 1}, "text", {1, 2}, [[1.0] * 3] * 72, 10**400))
        )
    content = changed if draw(st.integers(0, 9)) else draw(st.sampled_from(([1], None, "x", {3: 4}, complex(1))))
    whole = pickle.dumps(content, protocol=draw(st.integers(0, 5)))
    return draw(damaged_bytes(whole)) if draw(st.integers(0, 2)) == 0 else whole


@st.composite
def pose_priors(draw: Draw) -> FuzzInput:
    if draw(st.booleans()):
        name, content = "mixture.npz", draw(damaged_npz(examples.mixture_arrays()))
    else:
        name, content = "gmm_08.pkl", draw(pickles(examples.mixture_arrays()))
    recipe = f"pose_prior: in/{name}\n".encode() + examples.sound_files()["quick.yaml"]
    return fit_input("pose prior", {name: content, "quick.yaml": recipe}, readers=(("mixture", (f"in/{name}",)),))


@st.composite
def motion_captures(draw: Draw) -> FuzzInput:
    arrays, bones = examples.motion_capture()
    damaged = draw(st.sampled_from((*arrays, "bones")))
    files = {
        f"data/mocap/{name}": draw(damaged_npz(one)) if name == damaged else npz(one) for name, one in arrays.items()
    }
    text = draw(damaged_json(bones)) if damaged == "bones" else json.dumps(bones).encode()
    files["data/smpl_rest_bones.json"] = text
    files["small.yaml"] = yaml.safe_dump(examples.TRAINING_RECIPE).encode()
    command = ("train", "in/small.yaml", "--out", "out", "--workers", "0", "--mocap", "in/data")
    return FuzzInput(
        "motion capture", files, command if draw(st.integers(0, 3)) == 0 else (), (("motion capture", ("in/data",)),)
    )


@st.composite
def results(draw: Draw) -> FuzzInput:
    files = {"fit/params.npz": draw(damaged_npz(examples.params_arrays()))}
    photo = draw(st.sampled_from(("sound", "none", "damaged")))
    if photo != "none":
        sound = examples.sound_files()["photo.png"]
        files["fit/input.jpg"] = sound if photo == "sound" else draw(damaged_bytes(sound))
    rendered = ("render", "in/fit", "--out", "out", "--save", draw(st.sampled_from(("", "obj", "ply", "glb"))))
    colours = draw(st.sampled_from(("plain", "photo")))
    exported = ("export", "in/fit", "out/a.glb", "out/a.bvh", "out/a.npz", "--four-joints", "--colours", colours)
    command = draw(st.sampled_from((rendered, exported)))
    return FuzzInput("result", files, command, (("params", ("in/fit/params.npz",)),))


@st.composite
def result_folders(draw: Draw) -> FuzzInput:
    """An output folder with a damaged report, into which a folder of photos is fitted."""
    report = draw(damaged_json(examples.report_tree()))
    files = {
        "photos/photo.png": examples.sound_files()["photo.png"],
        "quick.yaml": examples.sound_files()["quick.yaml"],
    }
    files |= {f"photos/photo_{name}": examples.sound_files()[name] for name in ("mask.png", "keypoints.json")}
    names = draw(st.lists(st.sampled_from(("photo", "photo_0", "other", ".photo.partial")), min_size=1, max_size=2))
    files |= {f"../out/{name}/report.json": report for name in names}
    command = ("fit", "in/photos", "--observations", "in/photos", *examples.QUICK_FIT)
    return FuzzInput("result folder", files, command)


@st.composite
def training_states(draw: Draw) -> FuzzInput:
    """A folder of a training with a damaged state."""
    content = draw(damaged_bytes(examples.training_state()))
    if draw(st.booleans()):
        content = draw(damaged_states())
    command = ("train", "in/small.yaml", "--out", "out", "--workers", "0")
    recipe = yaml.safe_dump(examples.TRAINING_RECIPE).encode()
    return FuzzInput("training state", {"small.yaml": recipe, "../out/state.pt": content}, command)


@st.composite
def damaged_states(draw: Draw) -> bytes:
    """A training's state whose values are damaged: a readable file of torch."""
    state = torch.load(io.BytesIO(examples.training_state()), weights_only=True)
    for _ in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from(sorted(state) or [""]))
        how = draw(st.sampled_from(("remove", "value", "tensor", "inner")))
        if how == "remove":
            state.pop(key, None)
        elif how == "inner" and isinstance(state.get(key), dict) and state[key]:
            inner = draw(st.sampled_from(sorted(map(str, state[key]))))
            state[key].pop(inner, None)
        else:
            state[key] = (
                torch.zeros(3) if how == "tensor" else draw(st.sampled_from((None, {}, [], "x", -5, 1e9, {"a": 1})))
            )
    buffer = io.BytesIO()
    torch.save(state if draw(st.integers(0, 9)) else [1], buffer)
    return buffer.getvalue()
