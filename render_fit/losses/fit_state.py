"""State of a fit as terms see it: body, parameters, renderings and targets, each computed once."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyOutput, BodyParameters, Kinematics
from render_fit.core.cameras import Camera
from render_fit.core.skeletons import Skeleton
from render_fit.losses.targets import FitTargets
from render_fit.renderers.base import Renderer, RenderOutput, RenderSettings
from render_fit.renderers.image_jacobian import Motion


class FitState:
    """One state of a fit: body, parameters and observations.

    The mesh is posed and rendered once, when a term first needs it, so an objective of keypoints alone renders nothing.

    Args:
        body: Body model M.
        parameters: B bodies, camera coordinates.
        targets: Observations in the crop, for one image (shared by all B) or for B images.
        renderer: Renderer R; needed by terms that compare pixels.
        settings: Softness of renderings.
        pose_rotvec: (B, J, 3) axis-angle of ``parameters.rotations``, given when the optimiser already has it
            (the logarithm of a matrix has bad gradients near π).
        clothing: (B, M) coefficients of the smooth clothing basis, if there is one.
        latent: (B, L) latent vector that the body pose was decoded from, if it was.
        free_offsets: (B, V, 3) offsets beside those of the smooth clothing basis, if there are any.
        focal_ratio: (B,) focal length over that of the targets' camera, if it is estimated.
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
        free_offsets: Float[Tensor, "b v 3"] | None = None,
        focal_ratio: Float[Tensor, "b"] | None = None,
    ) -> None:
        self.body = body
        self.parameters = parameters
        self.targets = targets
        self.renderer = renderer
        self.settings = settings if settings is not None else RenderSettings()
        self.clothing = clothing
        self.latent = latent
        self.free_offsets = free_offsets
        self.focal_ratio = focal_ratio
        self._pose_rotvec = pose_rotvec
        self._joints: dict[tuple[str, ...], Tensor] = {}
        self._rendered: dict[str, RenderOutput] = {}

    @property
    def pose_rotvec(self) -> Float[Tensor, "b j 3"]:
        """Axis-angle pose, global rotation first."""
        return self._pose_rotvec if self._pose_rotvec is not None else self.parameters.pose

    @cached_property
    def camera(self) -> Camera:
        """Cameras of the crops, one for each body."""
        cameras = self.targets.camera.expand(len(self.parameters))
        return cameras if self.focal_ratio is None else cameras.zoomed(self.focal_ratio)

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

        They are points of the body without clothing: offsets do not move them.
        """
        if self.targets.skeleton is None:
            raise ValueError("keypoints: the observation has none; leave terms on keypoints out of the objective")
        return self.joints_of(self.targets.skeleton)

    def joints_of(self, skeleton: Skeleton) -> Float[Tensor, "b k 3"]:
        """The body's keypoints in any skeleton, camera coordinates, metres; each skeleton's are computed once."""
        if skeleton.landmarks not in self._joints:
            undressed = replace(self.parameters, offsets=None)
            self._joints[skeleton.landmarks] = self.body.keypoints(undressed, skeleton, self._kinematics)
        return self._joints[skeleton.landmarks]

    @cached_property
    def keypoints_px(self) -> Float[Tensor, "b k 2"]:
        """``keypoints`` projected to pixels of the crop."""
        return self.camera.project(self.keypoints)

    @property
    def pixel_size_m(self) -> Float[Tensor, "b"]:
        """Side of a pixel of the crop at the person's distance, metres; without gradient."""
        return (self.parameters.transl[:, 2].detach() / self.camera.K[:, 0, 0].detach()).clamp(min=1e-4)

    def render(self, what: str) -> Tensor:
        """A rendering of the body: ``silhouette`` (B, H, W), ``parts`` (B, 24, H, W), ``depth`` or ``normals``."""
        if self.renderer is None:
            raise ValueError(
                f"{what}: this objective compares pixels and needs a renderer; a `skeletal` term must not render"
            )
        if what not in self._rendered:
            wanted = ("silhouette", "parts") if what == "parts" else (what,)
            rendered = self.renderer(
                self.output.vertices,
                self.body.faces,
                self.camera,
                self.settings,
                face_parts=self.body.face_parts,
                outputs=wanted,
            )
            self._rendered.update(dict.fromkeys(wanted, rendered))
        image = getattr(self._rendered[what], what)
        if image is None:
            raise ValueError(
                f"{what}: renderer {self.renderer.name!r} returned none; a term of this objective needs it"
            )
        return image

    @cached_property
    def motion(self) -> Motion | None:
        """Jacobian of the renderings so far with respect to the mesh; None if the renderer has none."""
        rendered = [self._rendered[what] for what in ("parts", "silhouette") if what in self._rendered]
        return None if not rendered or rendered[0].motion is None else rendered[0].motion()
