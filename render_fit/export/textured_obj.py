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
    rows = zip(vertices, colours.vertices / 255, strict=True)
    lines = [
        "# render-fit: metres",
        f"mtllib {material.name}",
        "usemtl photos",
        *(f"v {x:.8f} {y:.8f} {z:.8f} {r:.4f} {g:.4f} {b:.4f}" for (x, y, z), (r, g, b) in rows),
        *(f"vt {u:.6f} {v:.6f}" for u, v in uv),
        *(
            "f " + " ".join(f"{v}/{vt}" for v, vt in zip(*face, strict=True))
            for face in zip(corners, places, strict=True)
        ),
    ]
    write_image(picture, colours.texture)
    write_bytes(material, MATERIAL.format(picture=picture.name).encode())
    return write_bytes(path, "\n".join([*lines, ""]).encode())
