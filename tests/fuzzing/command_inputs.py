"""Command lines of odd options, and photos of odd names."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.fuzzing import examples
from tests.fuzzing.damage import Draw, odd_numbers, odd_texts
from tests.fuzzing.fuzz_input import FIT, GIVEN, FuzzInput

_OPTIONS = (
    "--height-m", "--weight-kg", "--focal-35mm", "--box", "--person", "--jobs", "--threads", "--seed", "--save",
    "--renderer", "--recipe", "--regressor", "--body", "--clothing", "--part-labels", "--camera", "--mask",
    "--keypoints", "--parts", "--occluders", "--observations", "--out", "--resume", "--overwrite", "--verbose",
    "--parts-from-keypoints", "--nothing", "-x",
)  # fmt: skip
_FLAGS = ("--resume", "--overwrite", "--verbose", "--parts-from-keypoints", "--nothing", "-x")
_COMMANDS = (
    ("fit", "in/photo.png"), ("predict", "in/photo.png", "--out", "out"), ("render", "in"),
    ("measure", "in"), ("measure", "open"), ("recipe", "show"), ("body", "info"),
    ("regressor", "export", "--out", "out"), ("prior", "compare"),
    ("synthesize", "--count", "2", "--out", "out"), ("train", "--out", "out", "--workers", "0"),
    ("finetune", "in", "--out", "out", "--bad"), ("fit", "--out", "out"),
)  # fmt: skip


@st.composite
def command_lines(draw: Draw) -> FuzzInput:
    command = draw(st.sampled_from((*((FIT + GIVEN,) * 8), *_COMMANDS)))
    words = list(command)
    value = st.one_of(
        odd_texts,
        odd_numbers.map(str),
        st.sampled_from(("1,2,3,4", "-1,0,nan,5", "in/photo.png", "in", "out", "in/mask.png")),
    )
    for option in draw(st.lists(st.sampled_from(_OPTIONS), min_size=1, max_size=3)):
        if option == "--out" or (command[0] not in ("fit", "predict") and option == "--jobs"):
            continue
        words += [option] if option in _FLAGS else [option, draw(value)]
    if command[0] not in ("fit", "predict"):
        words += draw(st.lists(value, max_size=2))
    words = [word.encode(errors="replace").decode().replace("\x00", "?") for word in words]
    return FuzzInput("options", examples.sound_files(), tuple(words))


@st.composite
def file_names(draw: Draw) -> FuzzInput:
    """Photos, masks and keypoints of odd names, as single files and in folders."""
    letters = st.sampled_from("a.-_ ~%$&'\"\\[]{}()*?!#;:é²🙂\n\t\x7f\udce9" + "0")
    stem = draw(
        st.one_of(
            st.text(letters, min_size=1, max_size=12), st.sampled_from((".", "..", "...", "summary.csv", "x" * 200))
        )
    )
    name = stem + draw(st.sampled_from((".png", ".PNG", ".jpg", "", ".", "..png")))
    name = name if name not in (".", "..") else "x" + name
    sound = examples.sound_files()
    files = {f"photos/{name}": sound["photo.png"], "quick.yaml": sound["quick.yaml"]}
    stem = name[: -len(name) + name.rfind(".")] if name.rfind(".") > 0 else name
    files |= {f"photos/{stem}_{one}": sound[one] for one in ("mask.png", "keypoints.json")}
    given = f"in/photos/{name}" if draw(st.booleans()) else "in/photos"
    command = ("fit", "--observations", "in/photos", *examples.QUICK_FIT, "--", given)
    return FuzzInput("file name", files, command, whole_way=draw(st.integers(0, 7)) == 7)
