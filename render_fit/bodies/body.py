"""M: SMPL's body function, for every body that is given in SMPL's form.

A body in SMPL's form (Loper et al. 2015) is a template, shape directions, optional pose correctives, a joint regressor
and skinning weights. `Body.forward` poses the whole mesh; `Body.keypoints` only what a set of keypoints needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import roma
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from render_fit.bodies.kinematics import Tree
from render_fit.bodies.landmarks import LandmarkMoments, landmark_moments, posed_landmarks
from render_fit.bodies.marker_joints import MARKER_JOINTS
from render_fit.skeletons import SMPL_24, Skeleton


@dataclass(frozen=True)
class BodyParameters:
    """Pose, shape and place of a batch of bodies.

    Attributes:
        rotations: Local joint rotations, the global orientation first.
        betas: Shape coefficients, in standard deviations.
        transl: Translation in metres, added after posing (SMPL's ``trans``).
        offsets: Displacements of the zero-pose vertices in metres (SMPL+D), added before posing; None for none.
    """

    rotations: Float[Tensor, "b j 3 3"]
    betas: Float[Tensor, "b s"]
    transl: Float[Tensor, "b 3"]
    offsets: Float[Tensor, "b v 3"] | None = None

    @staticmethod
    def from_rotvec(
        pose: Float[Tensor, "b j 3"],
        betas: Float[Tensor, "b s"],
        transl: Float[Tensor, "b 3"],
        offsets: Float[Tensor, "b v 3"] | None = None,
    ) -> BodyParameters:
        """Makes parameters from axis-angle vectors.

        Args:
            pose: Local rotations as axis-angle, radians, global orientation first.
            betas: Shape coefficients.
            transl: Translation, metres.
            offsets: Zero-pose displacements, metres.

        Returns:
            The parameters with rotation matrices.

        Differentiability: smooth everywhere, the zero rotation included (`roma.rotvec_to_rotmat`).
        """
        return BodyParameters(roma.rotvec_to_rotmat(pose), betas, transl, offsets)

    @property
    def pose(self) -> Float[Tensor, "b j 3"]:
        """The local rotations as axis-angle, radians; not differentiable at rotations by pi."""
        return roma.rotmat_to_rotvec(self.rotations)

    def __len__(self) -> int:
        return len(self.rotations)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> BodyParameters:
        chosen: Any = slice(index, index + 1 or None) if isinstance(index, int) else index
        offsets = None if self.offsets is None else self.offsets[chosen]
        return BodyParameters(self.rotations[chosen], self.betas[chosen], self.transl[chosen], offsets)

    def detach(self) -> BodyParameters:
        """Gives the same values, cut off from the autograd graph."""
        offsets = None if self.offsets is None else self.offsets.detach()
        return BodyParameters(self.rotations.detach(), self.betas.detach(), self.transl.detach(), offsets)


@dataclass(frozen=True)
class BodyOutput:
    """A batch of posed bodies.

    Attributes:
        vertices: Metres.
        joints: Metres.
        joint_rotations: World rotation of every joint's frame.
    """

    vertices: Float[Tensor, "b v 3"]
    joints: Float[Tensor, "b j 3"]
    joint_rotations: Float[Tensor, "b j 3 3"]


class Kinematics(NamedTuple):
    """Joints of posed bodies.

    Attributes:
        joints: Posed joints, metres.
        rotations: World rotations of the joints.
        transforms: What skinning applies to the zero pose: a rotation's rows, then the shift in metres.
    """

    joints: Float[Tensor, "b j 3"]
    rotations: Float[Tensor, "b j 3 3"]
    transforms: Float[Tensor, "b j 12"]


class Body(nn.Module):
    """A body in SMPL's form.

    Attributes:
        name: What the body is called in reports ("open", "smpl", ...).
        joint_names: In the order of the pose.
        parents: Parent of every joint; -1 for the root.
        n_betas: Number of shape coefficients.
        n_vertices: Number of vertices.
        v_template: Mean shape in the zero pose (v, 3), metres, y up, z forward, x to the person's left.
        shapedirs: Vertex displacement per standard deviation (v, 3, s), metres.
        posedirs: Pose correctives (v, 3, 9 (j - 1)), or None.
        J_regressor: Joints from shaped zero-pose vertices (j, v).
        weights: Skinning weights (v, j).
        faces: Triangles (f, 3), counter-clockwise seen from outside.
        face_parts: SMPL part (joint index of SMPL-24) of every face (f,).
        vertex_parts: The same of every vertex (v,).
        landmark_names: Surface landmarks this body has.
        landmark_regressor: Landmarks from posed vertices (l, v), rows sum to 1.
    """

    v_template: Tensor
    shapedirs: Tensor
    posedirs: Tensor | None
    J_regressor: Tensor
    weights: Tensor
    faces: Tensor
    face_parts: Tensor
    vertex_parts: Tensor
    landmark_regressor: Tensor
    J_template: Tensor
    J_shapedirs: Tensor

    def __init__(
        self,
        *,
        name: str,
        joint_names: Sequence[str],
        parents: Sequence[int],
        v_template: Float[Tensor, "v 3"],
        shapedirs: Float[Tensor, "v 3 s"],
        J_regressor: Float[Tensor, "j v"],
        weights: Float[Tensor, "v j"],
        faces: Int64[Tensor, "f 3"],
        posedirs: Float[Tensor, "v 3 p"] | None = None,
        landmark_names: Sequence[str] = (),
        landmark_regressor: Float[Tensor, "l v"] | None = None,
        smpl_parts: Sequence[int] | None = None,
        stands_for: Mapping[str, str] | None = None,
    ) -> None:
        """Makes a body.

        Args:
            name: What to call it.
            joint_names: In pose order.
            parents: Parent of every joint, -1 for the root; parents come before their children.
            v_template: Mean shape, zero pose, metres.
            shapedirs: Shape directions, metres per standard deviation.
            J_regressor: Joint regressor.
            weights: Skinning weights, rows sum to 1.
            faces: Triangles.
            posedirs: Pose correctives, or None.
            landmark_names: Names of the rows of ``landmark_regressor``.
            landmark_regressor: Surface landmarks; rows sum to 1.
            smpl_parts: For every joint, the SMPL-24 part that it moves; default: the joint's own index.
            stands_for: Joints that stand for landmarks this body does not have (landmark to joint name).
        """
        super().__init__()
        self.name = name
        self.joint_names = tuple(joint_names)
        self.parents = tuple(int(p) for p in parents)
        self.landmark_names = tuple(landmark_names)
        self.tree = Tree(self.parents)
        own = {*self.joint_names, *self.landmark_names}
        self.stands_for = {
            landmark: joint
            for landmark, joint in (stands_for or {}).items()
            if landmark not in own and joint in self.joint_names
        }
        n_vertices, _, n_betas = shapedirs.shape
        if landmark_regressor is None:
            landmark_regressor = v_template.new_zeros(0, n_vertices)
        self.n_vertices, self.n_betas = n_vertices, n_betas
        parts = torch.as_tensor(smpl_parts if smpl_parts is not None else range(len(self.parents)))
        n_parts = len(SMPL_24)
        part_weights = weights.new_zeros(n_vertices, n_parts).index_add_(1, parts, weights)
        tensors = {
            "v_template": v_template,
            "shapedirs": shapedirs,
            "posedirs": posedirs,
            "J_regressor": J_regressor,
            "weights": weights,
            "faces": faces,
            "face_parts": part_weights[faces].sum(1).argmax(1),
            "vertex_parts": part_weights.argmax(1),
            "landmark_regressor": landmark_regressor,
            # Joints are linear in betas; these spare the product with all vertices.
            "J_template": J_regressor @ v_template,
            "J_shapedirs": torch.einsum("jv,vcs->jcs", J_regressor, shapedirs),
        }
        for key, value in tensors.items():
            self.register_buffer(key, value, persistent=False)
        self._forget()

    def _forget(self) -> None:
        self._landmarks: dict[tuple[str, ...], tuple[LandmarkMoments, Tensor]] = {}
        self._flat: tuple[Tensor, Tensor | None] | None = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Body:
        super()._apply(fn, recurse)
        self._forget()
        return self

    def forward(self, parameters: BodyParameters, kinematics: Kinematics | None = None) -> BodyOutput:
        """Poses the mesh.

        Args:
            parameters: Pose, shape, place and zero-pose offsets. ``betas`` may have fewer columns than `n_betas`: the
                rest are zero.
            kinematics: Of the same parameters, if they are known already.

        Returns:
            Vertices, joints and joint rotations in the frame of ``parameters.transl``, metres. Joints are those of the
            body without its offsets.

        Differentiability: smooth in all parameters.

        Source: Loper et al. 2015, equations 2 to 9; offsets as in Alldieck et al. 2018 (SMPL+D).
        """
        if self._flat is None:
            self._flat = _flattened(self.shapedirs, self.posedirs)
        shapedirs, posedirs = self._flat
        joints, rotations, transforms = kinematics if kinematics is not None else self.kinematics(parameters)
        vertices = _skinned(
            parameters, self.v_template, shapedirs, posedirs, self.weights, transforms, parameters.offsets
        )
        return BodyOutput(vertices, joints, rotations)

    def points(self, parameters: BodyParameters, vertices: Int64[Tensor, "n"]) -> Float[Tensor, "b n 3"]:
        """Poses only some vertices; the same points as `forward` gives them.

        Args:
            parameters: As in `forward`, but offsets are those of the chosen vertices.
            vertices: Which.

        Returns:
            Metres.

        Differentiability: smooth in all parameters.
        """
        _, _, transforms = self.kinematics(parameters)
        posedirs = None if self.posedirs is None else self.posedirs[vertices]
        flat = _flattened(self.shapedirs[vertices], posedirs)
        template, weights = self.v_template[vertices], self.weights[vertices]
        return _skinned(parameters, template, *flat, weights, transforms, parameters.offsets)

    def keypoints(
        self, parameters: BodyParameters, skeleton: Skeleton, kinematics: Kinematics | None = None
    ) -> Float[Tensor, "b k 3"]:
        """Poses only a skeleton's keypoints: joints, and landmarks without the mesh (see `landmarks`).

        Args:
            parameters: As in `forward`.
            skeleton: Whose ``landmarks`` to return, in its order.
            kinematics: Of the same parameters, if they are known already.

        Returns:
            Keypoints in metres. What this body cannot give (see `supports`) is the root joint.

        Differentiability: smooth in all parameters.
        """
        landmarks, mix = self._landmarks_of(skeleton)
        joints, _, transforms = kinematics if kinematics is not None else self.kinematics(parameters)
        if not len(landmarks.vertices):
            return mix @ joints
        return mix @ torch.cat([joints, posed_landmarks(landmarks, parameters, transforms)], 1)

    def keypoints_of(self, output: BodyOutput, skeleton: Skeleton) -> Float[Tensor, "b k 3"]:
        """Reads a skeleton's keypoints off a posed mesh; the same points as `keypoints`.

        Args:
            output: What `forward` returned.
            skeleton: Whose landmarks to return.

        Returns:
            Keypoints in metres.
        """
        landmarks, mix = self._landmarks_of(skeleton)
        posed = landmarks.regressor @ output.vertices[:, landmarks.vertices]
        return mix @ torch.cat([output.joints, posed], 1)

    def supports(self, skeleton: Skeleton) -> Bool[Tensor, "k"]:
        """Says which of a skeleton's keypoints this body has.

        Args:
            skeleton: The joint set asked for.

        Returns:
            True where `keypoints` gives the landmark.
        """
        has = [self._composition(landmark) is not None for landmark in skeleton.landmarks]
        return torch.tensor(has, dtype=torch.bool)

    def rest_vertices(
        self, betas: Float[Tensor, "b s"], offsets: Float[Tensor, "b v 3"] | None = None
    ) -> Float[Tensor, "b v 3"]:
        """Shapes the mesh without posing it.

        Args:
            betas: Shape coefficients.
            offsets: Zero-pose displacements, metres.

        Returns:
            Vertices in the zero pose, metres.
        """
        shaped = self.v_template + torch.einsum("bs,vcs->bvc", betas, self.shapedirs[..., : betas.shape[1]])
        return shaped if offsets is None else shaped + offsets

    def rest_joints(self, betas: Float[Tensor, "b s"]) -> Float[Tensor, "b j 3"]:
        """Gives the joints in the zero pose.

        Args:
            betas: Shape coefficients.

        Returns:
            Joints, metres.
        """
        return self.J_template + torch.einsum("bs,jcs->bjc", betas, self.J_shapedirs[..., : betas.shape[1]])

    def zero_parameters(self, n: int = 1) -> BodyParameters:
        """Gives n mean bodies in the zero pose at the origin, in this body's dtype and on its device."""
        like = self.v_template
        eye = torch.eye(3, dtype=like.dtype, device=like.device).expand(n, len(self.parents), 3, 3)
        return BodyParameters(eye.clone(), like.new_zeros(n, self.n_betas), like.new_zeros(n, 3))

    def kinematics(self, parameters: BodyParameters) -> Kinematics:
        """Poses the joints alone.

        Args:
            parameters: As in `forward`; offsets do not move joints.

        Returns:
            What `forward` and `keypoints` share.

        Differentiability: smooth in all parameters.
        """
        rest = self.rest_joints(parameters.betas)
        self.tree = self.tree.to(rest.device)
        rotations, joints = self.tree.pose(parameters.rotations, rest)
        joints = joints + parameters.transl[:, None]
        shift = joints - (rotations @ rest[..., None])[..., 0]
        transforms = torch.cat([rotations.flatten(-2), shift], -1)
        return Kinematics(joints, rotations, transforms)

    def _composition(self, landmark: str) -> Mapping[str, float] | None:
        """The joints and landmarks of this body that a point is a weighted sum of; None if it has no such point."""
        own = {*self.joint_names, *self.landmark_names}
        parts = MARKER_JOINTS.get(landmark, {landmark: 1.0})
        found = {name if name in own else self.stands_for.get(name): weight for name, weight in parts.items()}
        return None if None in found else {str(name): weight for name, weight in found.items()}

    def _landmarks_of(self, skeleton: Skeleton) -> tuple[LandmarkMoments, Tensor]:
        """Gives a skeleton's landmarks, and the weights (k, j + l) that make its keypoints of joints and landmarks."""
        if skeleton.landmarks not in self._landmarks:
            composed = [self._composition(name) or {self.joint_names[0]: 1.0} for name in skeleton.landmarks]
            used = dict.fromkeys(name for parts in composed for name in parts if name not in self.joint_names)
            columns = [*self.joint_names, *used]
            mix = self.v_template.new_zeros(len(composed), len(columns))
            for row, parts in enumerate(composed):
                for name, weight in parts.items():
                    mix[row, columns.index(name)] += weight
            rows = [self.landmark_names.index(name) for name in used]
            self._landmarks[skeleton.landmarks] = (landmark_moments(self, rows), mix)
        return self._landmarks[skeleton.landmarks]


def _flattened(shapedirs: Tensor, posedirs: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Lays directions (v, 3, s) and (v, 3, p) out as (s, 3v) and (p, 3v), coordinates apart (see `_skinned`)."""
    flat = [None if d is None else d.permute(2, 1, 0).flatten(1).contiguous() for d in (shapedirs, posedirs)]
    assert flat[0] is not None
    return flat[0], flat[1]


def _skinned(
    parameters: BodyParameters,
    template: Tensor,
    shapedirs: Tensor,
    posedirs: Tensor | None,
    weights: Tensor,
    transforms: Tensor,
    offsets: Tensor | None,
) -> Tensor:
    """Shapes and poses vertices: linear blend skinning of (template + shape + pose correctives + offsets).

    Coordinates are kept apart, (b, 3, v), so that every step runs along contiguous vertices.
    """
    betas = parameters.betas
    rest = torch.addmm(template.T.flatten(), betas, shapedirs[: betas.shape[1]])
    if posedirs is not None:
        eye = torch.eye(3, dtype=betas.dtype, device=betas.device)
        rest = torch.addmm(rest, (parameters.rotations[:, 1:] - eye).flatten(1), posedirs)
    rest = rest.view(len(betas), 1, 3, -1)
    if offsets is not None:
        rest = rest + offsets.transpose(1, 2)[:, None]
    blended = transforms.transpose(1, 2) @ weights.T  # (b, 12, v): a rotation's rows, then the shift
    turns, shifts = blended.split([9, 3], 1)
    return ((turns.unflatten(1, (3, 3)) * rest).sum(2) + shifts).transpose(1, 2)
