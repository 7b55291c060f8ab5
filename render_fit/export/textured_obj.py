"""A mesh with its texture as OBJ, MTL and PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from render_fit.bodies import Body
from render_fit.core.files import write_bytes
from render_fit.core.text_files import read_text
from render_fit.export.atlas import Atlas, body_atlas
from render_fit.export.overlays import write_image
from render_fit.export.surface_colours import SurfaceColours
from render_fit.observations.images import read_photo

MATERIAL = """newmtl photos
Ka 1 1 1
Kd 1 1 1
Ks 0 0 0
illum 1
map_Kd {picture}
"""


def written_colours(path: Path, body: Body) -> SurfaceColours | None:
    """Colours that `write_textured_obj` has written.

    Args:
        path: The ``.obj`` file.
        body: The body that the vertices are of.

    Returns:
        The colours; None if there are no such files, or their texture is laid out in another way than `body_atlas`.

    Raises:
        InputError: if the picture cannot be read.
    """
    picture, atlas = path.with_suffix(".png"), body_atlas(body)
    if not (path.is_file() and picture.is_file()):
        return None
    places = [line.split()[1:] for line in read_text(path, "an OBJ file").splitlines() if line.startswith("vt ")]
    texture = read_photo(picture).image.permute(1, 2, 0).mul(255).round().byte().numpy()
    if [f"{u:.6f} {v:.6f}".split() for u, v in _places(atlas)] != places or texture.shape[:2] != atlas.covered.shape:
        return None
    return SurfaceColours(atlas, texture)


def _places(atlas: Atlas) -> Float[np.ndarray, "u 2"]:
    """Places in the texture as OBJ has them: in shares of its side, from below."""
    return atlas.uv_px / atlas.side_px * [1, -1] + [0, 1]


def write_textured_obj(path: Path, vertices: Float[np.ndarray, "v 3"], colours: SurfaceColours) -> Path:
    """Writes a mesh with its texture, and besides it the material (``.mtl``) and the picture (``.png``).

    Vertices keep their order and number, and have their own colours too (``v x y z r g b``, RGB 0–1), for programs
    that read no textures; places in the texture are numbered apart.

    Args:
        path: The ``.obj`` file; the other two have its name.
        vertices: (V, 3) metres, any frame.
        colours: Colours of the body that the vertices are of.

    Returns:
        Path of the ``.obj`` file.
    """
    atlas, picture, material = colours.atlas, path.with_suffix(".png"), path.with_suffix(".mtl")
    corners, places = atlas.vertices[atlas.faces] + 1, atlas.faces + 1
    rows = zip(vertices, colours.vertices / 255, strict=True)
    lines = [
        "# render-fit: metres",
        f"mtllib {material.name}",
        "usemtl photos",
        *(f"v {x:.8f} {y:.8f} {z:.8f} {r:.4f} {g:.4f} {b:.4f}" for (x, y, z), (r, g, b) in rows),
        *(f"vt {u:.6f} {v:.6f}" for u, v in _places(atlas)),
        *(
            "f " + " ".join(f"{v}/{vt}" for v, vt in zip(*face, strict=True))
            for face in zip(corners, places, strict=True)
        ),
    ]
    write_image(picture, colours.texture)
    write_bytes(material, MATERIAL.format(picture=picture.name).encode())
    return write_bytes(path, "\n".join([*lines, ""]).encode())
