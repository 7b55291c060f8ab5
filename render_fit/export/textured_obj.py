"""A mesh with its texture as OBJ, MTL and PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from render_fit.core.files import write_bytes
from render_fit.export.overlays import write_image
from render_fit.export.surface_colours import SurfaceColours

MATERIAL = """newmtl photos
Ka 1 1 1
Kd 1 1 1
Ks 0 0 0
illum 1
map_Kd {picture}
"""


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
    uv = atlas.uv_px / atlas.side_px * [1, -1] + [0, 1]  # OBJ counts from below
    lines = [
        "# render-fit: metres",
        f"mtllib {material.name}",
        "usemtl photos",
        *("v %.8f %.8f %.8f %.4f %.4f %.4f" % (*v, *c) for v, c in zip(vertices, colours.vertices / 255, strict=True)),
        *("vt %.6f %.6f" % (u, v) for u, v in uv),
        *("f %d/%d %d/%d %d/%d" % tuple(row) for row in np.stack([corners, places], axis=2).reshape(-1, 6)),
    ]
    write_image(picture, colours.texture)
    write_bytes(material, MATERIAL.format(picture=picture.name).encode())
    return write_bytes(path, "\n".join([*lines, ""]).encode())
