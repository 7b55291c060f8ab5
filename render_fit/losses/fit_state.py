"""State of a fit as terms see it: body, parameters, renderings and targets, each computed once."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyOutput, BodyParameters, Kinematics
from render_fit.core.skeletons import Skeleton
from render_fit.losses.targets import FitTargets
from render_fit.renderers.base import Renderer, RenderOutput, RenderSettings
from render_fit.renderers.image_jacobian import Motion


class FitState:
    """One state of a fit beside what was observed: a body, its parameters, and z(I).

    The mesh is posed and rendered when a term first asks for it, once, so an objective of keypoints alone never
    pays for a picture.

    Args:
        body: M.
        parameters: B bodies, camera coordinates.
        targets: Observations in the crop, for one image (shared by all B) or for B images.
        renderer: R; needed by terms that look at pixels.
        settings: Edge width and kind of silhouette.
        pose_rotvec: (B, J, 3) axis-angle of ``parameters.rotations``, given when the optimiser already has it
            (the logarithm of a matrix has bad gradients near π).
        clothing: (B, M) coefficients of the smooth clothing basis, if it is in play.
        latent: (B, L) latent vector that the body pose was decoded from, if it was.
    """

    def __init__(
        self,
        body: Body,
        parameters: BodyParameters,
        targets: FitTargets,
        renderer: Renderer | None = None,
        settings: RenderSettings | None = None,
        pose_rotvec: Float[Tensor, "b j 3"] | None = None,
        clothing: Float[Tensor, "b m"] | None = None,
        latent: Float[Tensor, "b l"] | None = None,
    ) -> None:
        self.body = body
        self.parameters = parameters
        self.targets = targets
        self.renderer = renderer
        self.settings = settings if settings is not None else RenderSettings()
        self.clothing = clothing
        self.latent = latent
        self._pose_rotvec = pose_rotvec
        self._rendered: dict[str, RenderOutput] = {}

    @property
    def pose_rotvec(self) -> Float[Tensor, "b j 3"]:
        """Axis-angle pose, global rotation first."""
        return self._pose_rotvec if self._pose_rotvec is not None else self.parameters.pose

    @cached_property
    def output(self) -> BodyOutput:
        """The posed mesh, camera coordinates."""
        return self.body(self.parameters, self._kinematics)

    @cached_property
    def _kinematics(self) -> Kinematics:
        """The posed joints, which mesh and keypoints share."""
        return self.body.kinematics(self.parameters)

    @cached_property
    def keypoints(self) -> Float[Tensor, "b k 3"]:
        """The body's keypoints in the observation's skeleton, camera coordinates.

        They are points of the body, not of its clothes: offsets do not move them.
        """
        if self.targets.skeleton is None:
            raise ValueError("keypoints: the observation has none; leave terms on keypoints out of the objective")
        return self.joints_of(self.targets.skeleton)

    def joints_of(self, skeleton: Skeleton) -> Float[Tensor, "b k 3"]:
        """The body's points by another skeleton than the observation's, camera coordinates."""
        return self.body.keypoints(replace(self.parameters, offsets=None), skeleton, self._kinematics)

    @cached_property
    def keypoints_px(self) -> Float[Tensor, "b k 2"]:
        """The same, projected to pixels of the crop."""
        return self.targets.camera.expand(len(self.parameters)).project(self.keypoints)

    def render(self, what: str) -> Tensor:
        """A picture of the body: ``silhouette`` (B, H, W), ``parts`` (B, 24, H, W), ``depth`` or ``normals``."""
        if self.renderer is None:
            raise ValueError(f"{what}: this objective looks at pixels and needs a renderer")
        if what not in self._rendered:
            wanted = ("silhouette", "parts") if what == "parts" else (what,)
            rendered = self.renderer(
                self.output.vertices,
                self.body.faces,
                self.targets.camera.expand(len(self.parameters)),
                self.settings,
                face_parts=self.body.face_parts,
                outputs=wanted,
            )
            self._rendered.update(dict.fromkeys(wanted, rendered))
        picture = getattr(self._rendered[what], what)
        assert picture is not None
        return picture

    @cached_property
    def motion(self) -> Motion | None:
        """How the pictures drawn so far move with the mesh; None where the renderer does not say."""
        pictures = [self._rendered[what] for what in ("parts", "silhouette") if what in self._rendered]
        return None if not pictures or pictures[0].motion is None else pictures[0].motion()
