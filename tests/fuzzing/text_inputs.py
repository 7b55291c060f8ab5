"""Keypoint files, camera files and recipes: JSON and YAML whose values or text are damaged."""

from __future__ import annotations

import yaml
from hypothesis import strategies as st

from tests.fuzzing import examples
from tests.fuzzing.damage import Draw, damaged_bytes, damaged_json, damaged_tree
from tests.fuzzing.fuzz_input import FuzzInput, fit_input


@st.composite
def keypoint_files(draw: Draw) -> FuzzInput:
    content = draw(damaged_json(draw(st.sampled_from(examples.keypoint_trees()))))
    more = draw(st.sampled_from(((), ("--person", "all"), ("--person", "1"), ("--parts-from-keypoints",))))
    return fit_input("keypoints", {"keypoints.json": content}, *more, readers=(("people", ("in/keypoints.json",)),))


@st.composite
def camera_files(draw: Draw) -> FuzzInput:
    content = draw(damaged_json(draw(st.sampled_from(examples.CAMERA_TREES))))
    readers = (("camera", ("in/camera.json",)),)
    return fit_input("camera", {"camera.json": content}, "--camera", "in/camera.json", readers=readers)


YAML_BOMBS = (
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nname: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
    "stages: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
    "name: &a [*a]\n", "name: 2001-99-99\n", "? [a]\n: b\n", "name: !!python/object:os.system x\n", "- a\n- b\n",
    "name: !!binary '@'\n", "name: !!timestamp x\n", "name: !!int x\n", "<<: [1]\n", "name: 1_0__\n",
    "{" * 3000, "[" * 3000,
    "name: " + "9" * 6000 + "\n", "name: !!set {a, [b]}\n", "\x00", "%YAML 9.9\n---\na: b\n", "a: b\n---\nc: d\n",
    "name: 0x\n", "name: 1:99:99\n", "name: .nan\n", "name: !!float x\n", "&a *a\n", "name: !<x> y\n",
)  # fmt: skip


@st.composite
def yaml_files(draw: Draw, text: str) -> bytes:
    """A recipe with damaged values, or text that makes YAML's readers stumble."""
    how = draw(st.sampled_from(("tree",) * 7 + ("bytes", "yaml", "yaml")))
    if how == "yaml":
        return (draw(st.sampled_from(YAML_BOMBS)) + draw(st.sampled_from(("", text)))).encode()
    if how == "bytes":
        return draw(damaged_bytes(text.encode()))
    tree = draw(damaged_tree(yaml.safe_load(text)))
    dumped = yaml.dump(tree, allow_unicode=True, sort_keys=False)
    return dumped.encode(draw(st.sampled_from(("utf-8",) * 5 + ("utf-16",))), errors="replace")


@st.composite
def recipes(draw: Draw) -> FuzzInput:
    # the quick recipe is the likeliest: those that go the whole way end soon
    name = draw(st.sampled_from(("quick.yaml",) * 4 + tuple(sorted(examples.recipe_texts()))))
    content = draw(yaml_files(examples.recipe_texts()[name]))
    readers = (("recipe", ("in/quick.yaml",)),)
    if draw(st.booleans()):
        return FuzzInput("recipe", {"quick.yaml": content}, ("recipe", "show", "in/quick.yaml"), readers)
    return fit_input("recipe", {"quick.yaml": content}, readers=readers)


@st.composite
def training_recipes(draw: Draw) -> FuzzInput:
    content = draw(yaml_files(yaml.safe_dump(examples.TRAINING_RECIPE)))
    readers = (("training recipe", ("in/small.yaml",)),)
    if draw(st.integers(0, 3)):
        return FuzzInput("training recipe", {"small.yaml": content}, ("recipe", "show", "in/small.yaml"), readers)
    command = ("train", "in/small.yaml", "--out", "out", "--workers", "0")
    return FuzzInput("training recipe", {"small.yaml": content}, command, readers)
