"""Makes the pictures of docs/gallery.md and the animation of the start page.

    python scripts/make_gallery.py [--only NAME ...] [--work FOLDER]

The page's blocks are run from top to bottom in a work folder: Python in one namespace, shell blocks by the command line
of this environment. A section that shows ``images/gallery/NAME.webp`` makes ``NAME.png`` (or .jpg), or names the file
that a command wrote in a comment ``<!-- picture: PATH -->``. Needs matplotlib and scikit-image; takes two minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageSequence

import render_fit as rf
from render_fit.export.overlays import overlay, panel, to_pixels
from render_fit.export.views import side_view
from render_fit.synthesis import clothed_scene, everyday_pose

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
IMAGES = ROOT / "docs" / "images"

SIDE_PX = 960
"""Longest side of a picture."""

BETWEEN = 8
"""Frames of the animation from the result of a stage to the next."""

TURN = 30
"""Frames of the turn at its end."""


def make_pictures(work: Path, only: list[str]) -> None:
    """Runs the page and writes its pictures.

    Args:
        work: Folder in which the blocks run.
        only: Names of the pictures to write; none for all. All blocks run, since later ones need earlier ones.
    """
    space: dict[str, Any] = {}
    os.chdir(work)
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        for language, code in re.findall(r"^```(python|sh)\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL):
            if language == "sh":
                subprocess.run(["bash", "-ec", code], check=True)
            else:
                exec(compile(code, str(PAGE), "exec"), space)
        shown = re.search(r"\n!\[.*?\]\(images/gallery/(\w+)\.webp\)", section)
        if shown and (not only or shown[1] in only):
            named = re.search(r"<!-- picture: (\S+) -->", section)
            write_picture(Path(named[1] if named else f"{shown[1]}.png"), shown[1])


def write_picture(source: Path, name: str) -> None:
    """Writes a picture or an animation as small WebP."""
    frames: list[Image.Image] = []
    milliseconds: list[int] = []
    with Image.open(source) as picture:
        for frame in ImageSequence.Iterator(picture):
            small = frame.convert("RGB")
            small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
            frames.append(small)
            milliseconds.append(int(frame.info.get("duration", 100)))
    save_webp(IMAGES / "gallery" / f"{name}.webp", frames, milliseconds)


def save_webp(path: Path, frames: list[Image.Image], milliseconds: list[int]) -> None:
    """Writes one image or a loop, and prints its size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    moving = {"save_all": True, "append_images": frames[1:], "duration": milliseconds, "loop": 0}
    frames[0].save(path, quality=80, method=6, **(moving if len(frames) > 1 else {}))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def make_animation() -> None:
    """The stages of the demo's fit over the image and from a turning side, then the clothed person all around."""
    body, renderer = rf.open_body(), rf.make_renderer("auto")
    scene = clothed_scene(body, everyday_pose("waving"), seed=0)
    assert scene.image is not None
    Image.fromarray(to_pixels(scene.image.permute(1, 2, 0).numpy())).save("demo.jpg", quality=95)
    person = rf.observe("demo.jpg", observer="blazepose")[0]
    stages: list[rf.BodyParameters] = []
    result = rf.fit_image(person, "hybrid", watch=lambda _, parameters: stages.append(parameters))
    stages.append(result.parameters)
    start = replace(rf.predict(person, "lifter"), offsets=None)
    meshes = [body(parameters).vertices[0].detach() for parameters in (start, *stages)]
    weights = (0.5 - 0.5 * np.cos(np.pi * np.arange(1, BETWEEN + 1) / BETWEEN)).tolist()
    moving = [meshes[0]] * 6
    for first, then in pairwise(meshes):
        moving += [first + weight * (then - first) for weight in weights]
    photo = to_pixels(scene.image.permute(1, 2, 0).numpy())
    frames: list[Image.Image] = []
    steps = [(mesh, 0.9) for mesh in moving] + [(meshes[-1], 0.9 + 2 * np.pi * k / TURN) for k in range(1, TURN + 1)]
    faces, parts = body.faces, body.face_parts
    for mesh, yaw in steps:
        over = overlay(scene.image, mesh, faces, result.camera, renderer, face_parts=parts)
        side = side_view(mesh, faces, renderer, yaw_rad=yaw, face_parts=parts)
        frames.append(Image.fromarray(panel([photo, over, side], height_px=400)))
    save_webp(IMAGES / "fit.webp", frames, [700, *[60] * (len(frames) - 2), 1500])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="names of pictures; animation: the start page's")
    parser.add_argument("--work", type=Path, help="folder in which the blocks run; default: a temporary one")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.only != ["animation"]:
            make_pictures(folder.resolve(), arguments.only)
        if not arguments.only or "animation" in arguments.only:
            make_animation()
