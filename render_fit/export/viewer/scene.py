"""One fit as nodes of a viser scene: photo, camera, body, clothes, skeleton, ellipsoids, tapes, hypotheses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from render_fit.core.parts import SMPL_24_PARTS
from render_fit.core.skeletons import SMPL_24
from render_fit.export.tapes import PALETTE
from render_fit.export.viewer.girths import Girth, girths_of
from render_fit.export.viewer.shapes import BEHIND, Plane, Shape, ellipsoids, frustum, photo_plane, skeleton
from render_fit.export.viewer.viewed import Posed, Viewed

if TYPE_CHECKING:
    import viser

Colour = tuple[int, int, int]

BODY_COLOUR: Colour = (150, 180, 226)
CLOTHES_COLOUR: Colour = (168, 196, 235)
OTHER_COLOUR: Colour = (236, 160, 96)
"""Of the second result, where two are on top of each other."""

SKELETON_COLOUR: Colour = (250, 196, 60)
UNSURE_COLOUR: Colour = (240, 80, 120)
CAMERA_COLOUR: Colour = (70, 70, 80)
HYPOTHESIS_COLOUR: Colour = (150, 130, 200)

HALF_TURN = (0.0, 1.0, 0.0, 0.0)
"""Quaternion (w, x, y, z) from the camera's axes to the world's: x right, y up, z towards the viewer."""


@dataclass(frozen=True)
class Look:
    """What of a fit is shown, and how.

    Attributes:
        frame: Frame of the fit.
        stage: Stage of the fit; None: the result.
        body: Whether the body without clothes is shown.
        clothes: Whether the clothed mesh is shown.
        opacity: Opacity of the outer mesh, 0 to 1.
        parts: Whether the outer mesh has the colours of the body parts.
        photo: Whether the photo is shown.
        camera: Whether the camera is shown.
        skeleton: Whether joints and bones are shown.
        uncertainty: Whether the ellipsoids of the joints are shown.
        girths: Whether the tapes are shown.
        hypotheses: Whether a stage's other hypotheses are shown.
        colour: Colour of the outer mesh; None: light blue.
    """

    frame: int = 0
    stage: int | None = None
    body: bool = False
    clothes: bool = True
    opacity: float = 1.0
    parts: bool = False
    photo: bool = True
    camera: bool = True
    skeleton: bool = False
    uncertainty: bool = False
    girths: bool = False
    hypotheses: bool = False
    colour: Colour | None = None


class FitScene:
    """The nodes of one fit; all are below one frame, which turns the camera's axes upright and puts feet on the ground.

    Args:
        scene: Scene of a viser server.
        root: Name of that frame, such as ``/fit``.
        viewed: The fit.
    """

    def __init__(self, scene: viser.SceneApi, root: str, viewed: Viewed) -> None:
        self.viewed, self._scene, self._root = viewed, scene, root
        self._frame = scene.add_frame(root, show_axes=False, wxyz=HALF_TURN)
        self._nodes: dict[str, Any] = {}
        self._photo_of: int | None = None
        self.place = np.zeros(3)

    @cached_property
    def girths(self) -> tuple[Girth, ...]:
        """The girths of the shape; found when they are first shown."""
        saved = self.viewed.saved
        return girths_of(self.viewed.body, saved.betas, saved.betas_covariance)

    def plane(self, frame: int) -> Plane:
        """Where the photo of a frame lies, camera coordinates."""
        saved = self.viewed.saved.frame(frame)
        return photo_plane(saved.K, saved.image_size, BEHIND * max(float(saved.joints[0, 0, 2]), 0.1))

    def to_world(self, points: Float[np.ndarray, "... 3"], frame: int) -> Float[np.ndarray, "... 3"]:
        """Camera coordinates as world coordinates: x right, y up, z towards the viewer."""
        return (points - self.viewed.ground(frame)) * np.array([1.0, -1.0, -1.0]) + self.place

    def show(self, look: Look) -> None:
        """Draws the fit as it is asked for; nodes that stay are updated, not made again."""
        viewed, frame = self.viewed, look.frame
        # the camera stays where the result has it, so that a stage that is elsewhere is seen elsewhere
        self._frame.position = tuple(self.to_world(np.zeros(3), frame).tolist())
        shown = [viewed.posed(frame)] if look.stage is None else viewed.posed_stage(look.stage)
        best = shown[0]
        self._outer(best, look)
        faces = viewed.body.faces.numpy()
        bare = look.body and (best.clothed is not None)
        self._mesh("body", Shape(best.body, faces) if bare else None, BODY_COLOUR)
        self._mesh("skeleton", skeleton(best.joints, viewed.body.parents) if look.skeleton else None, SKELETON_COLOUR)
        covariance = viewed.saved.frame(frame).joints_covariance
        unsure = look.uncertainty and covariance is not None and look.stage is None
        shape = ellipsoids(best.joints, covariance[0]) if unsure and covariance is not None else None
        self._mesh("uncertainty", shape, UNSURE_COLOUR, 0.35)
        self._tapes(best, look)
        others = shown[1:] if look.hypotheses else []
        self._others(others)
        self._photo(look)

    def remove(self) -> None:
        """Removes all nodes."""
        self._frame.remove()
        self._nodes.clear()

    def _outer(self, best: Posed, look: Look) -> None:
        """The outer mesh, in one colour or as one mesh for each body part."""
        body = self.viewed.body
        faces, vertices = body.faces.numpy(), best.outer if look.clothes else best.body
        seen = look.clothes or look.body
        opacity = None if look.opacity >= 1 else look.opacity
        colour = look.colour or (BODY_COLOUR if best.clothed is None or not look.clothes else CLOTHES_COLOUR)
        if not look.clothes and best.clothed is not None:
            seen = False  # the body itself is drawn as such
        self._mesh("mesh", Shape(vertices, faces) if seen and not look.parts else None, colour, opacity)
        of_face = body.face_parts.numpy()
        for part, part_colour in enumerate(_part_colours()):
            own = faces[of_face == part]
            shape = _only(vertices, own) if seen and look.parts and len(own) else None
            self._mesh(f"parts/{part}", shape, part_colour, opacity)

    def _tapes(self, best: Posed, look: Look) -> None:
        for index, girth in enumerate(self.girths if look.girths or "girths/0" in self._nodes else ()):
            red, green, blue = (int(255 * channel) for channel in PALETTE[index % len(PALETTE)])
            shape = girth.tape(best.body) if look.girths else None
            self._mesh(f"girths/{index}", shape, (red, green, blue))

    def _others(self, others: Sequence[Posed]) -> None:
        faces = self.viewed.body.faces.numpy()
        drawn = sum(name.startswith("hypotheses/") for name in self._nodes)
        for index in range(max(drawn, len(others))):
            shape = Shape(others[index].outer, faces) if index < len(others) else None
            self._mesh(f"hypotheses/{index}", shape, HYPOTHESIS_COLOUR, 0.4)

    def _photo(self, look: Look) -> None:
        """Photo and camera; they are made again when the frame changes."""
        plane = self.plane(look.frame)
        if self._photo_of != look.frame:
            for name in ("photo", "camera"):
                if name in self._nodes:
                    self._nodes.pop(name).remove()
            pixels = self.viewed.photo(look.frame)
            if pixels is not None:
                self._nodes["photo"] = self._scene.add_image(
                    f"{self._root}/photo", pixels, plane.width, plane.height,
                    position=tuple(plane.centre.tolist()), cast_shadow=False, receive_shadow=False,
                )  # fmt: skip
            self._photo_of = look.frame
        if "photo" in self._nodes:
            self._nodes["photo"].visible = look.photo
        self._mesh("camera", frustum(plane) if look.camera else None, CAMERA_COLOUR)

    def _mesh(self, name: str, shape: Shape | None, colour: Colour, opacity: float | None = None) -> None:
        """Makes, updates or hides one mesh."""
        node = self._nodes.get(name)
        if shape is None:
            if node is not None:
                node.visible = False
            return
        vertices, faces = shape.vertices.astype(np.float32), shape.faces.astype(np.uint32)
        if node is None:
            self._nodes[name] = self._scene.add_mesh_simple(
                f"{self._root}/{name}", vertices, faces, color=colour, opacity=opacity, side="double",
                cast_shadow=False, receive_shadow=False,
            )  # fmt: skip
            return
        if node.vertices.shape != vertices.shape or not np.array_equal(node.vertices, vertices):
            node.vertices = vertices
        if not np.array_equal(node.faces, faces):
            node.faces = faces
        if node.opacity != opacity:
            node.opacity = opacity
        if tuple(node.color) != colour:
            node.color = colour
        node.visible = True


def _only(vertices: np.ndarray, faces: np.ndarray) -> Shape:
    """The faces with only the vertices that they use."""
    used, renumbered = np.unique(faces, return_inverse=True)
    return Shape(vertices[used], renumbered.reshape(faces.shape))


def _part_colours() -> list[Colour]:
    """Colour of each SMPL part."""
    return [SMPL_24_PARTS.colours[SMPL_24_PARTS.labels.index(joint)] for joint in SMPL_24.joints]
