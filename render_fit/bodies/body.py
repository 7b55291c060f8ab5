"""The body model M: SMPL's body function, for every body in SMPL's form.

A body in SMPL's form (Loper et al. 2015) is a template, shape directions, optional pose correctives, a joint regressor
and skinning weights. `Body.forward` poses the whole mesh; `Body.keypoints` only what a set of keypoints needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from render_fit.bodies.kinematics import Tree
from render_fit.bodies.landmarks import MARKER_JOINTS, LandmarkMoments, landmark_moments, posed_landmarks
from render_fit.bodies.parameters import BodyOutput, BodyParameters, Kinematics
from render_fit.bodies.skinning import Skin, skin_of, skinned
from render_fit.core.skeletons import SMPL_24, Skeleton
from render_fit.core.threads import one_torch_thread


class Body(nn.Module):
    """A body in SMPL's form.

    Attributes:
        name: Name of the body in reports ("open", "smpl", ...).
        origin: Name or path by which `load_body` finds the body again; the name if it was built from arrays.
        joint_names: Names of the j joints, in the order of the pose.
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
        vertex_parts: SMPL part of every vertex (v,).
        landmark_names: Names of the l surface landmarks of this body.
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

    @one_torch_thread()  # products with all vertices would be rounded in another way by several
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
        """Builds a body from its arrays: the attributes of the same names, with their shapes and units.

        Parents come before their children; rows of ``weights`` sum to 1. ``smpl_parts``: for every joint, the SMPL-24
        part that it moves; default: the joint's own index. ``stands_for``: joints that stand for landmarks this body
        does not have (landmark to joint name).
        """
        super().__init__()
        self.name = self.origin = name
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
            # Joints are linear in betas: precomputed, to avoid a product with all vertices.
            "J_template": J_regressor @ v_template,
            "J_shapedirs": torch.einsum("jv,vcs->jcs", J_regressor, shapedirs),
        }
        for key, value in tensors.items():
            self.register_buffer(key, value, persistent=False)
        self._forget()

    def _forget(self) -> None:
        self._landmarks: dict[tuple[str, ...], tuple[LandmarkMoments, Tensor]] = {}
        self._skin: Skin | None = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Body:
        super()._apply(fn, recurse)
        self._forget()
        return self

    def forward(self, parameters: BodyParameters, kinematics: Kinematics | None = None) -> BodyOutput:
        """Poses the mesh.

        Args:
            parameters: Pose, shape, place and zero-pose offsets. ``betas`` may have fewer columns than `n_betas`: the
                rest are zero.
            kinematics: Kinematics of the same parameters, if computed already.

        Returns:
            Vertices, joints and joint rotations in the frame of ``parameters.transl``, metres. Joints are those of the
            body without its offsets.

        Differentiability: smooth in all parameters.

        Source: Loper et al. 2015, equations 2 to 9; offsets as in Alldieck et al. 2018 (SMPL+D).
        """
        if self._skin is None:
            self._skin = skin_of(self.v_template, self.shapedirs, self.posedirs, self.weights)
        joints, rotations, transforms = kinematics if kinematics is not None else self.kinematics(parameters)
        return BodyOutput(skinned(self._skin, parameters, transforms), joints, rotations)

    def points(self, parameters: BodyParameters, vertices: Int64[Tensor, "n"]) -> Float[Tensor, "b n 3"]:
        """Poses a subset of the vertices; same values as in `forward`.

        Args:
            parameters: As in `forward`, but offsets are those of the chosen vertices.
            vertices: Indices of the vertices (n,).

        Returns:
            Posed vertices (b, n, 3), metres.

        Differentiability: smooth in all parameters.
        """
        _, _, transforms = self.kinematics(parameters)
        posedirs = None if self.posedirs is None else self.posedirs[vertices]
        skin = skin_of(self.v_template[vertices], self.shapedirs[vertices], posedirs, self.weights[vertices])
        return skinned(skin, parameters, transforms)

    def keypoints(
        self, parameters: BodyParameters, skeleton: Skeleton, kinematics: Kinematics | None = None
    ) -> Float[Tensor, "b k 3"]:
        """Poses only a skeleton's keypoints: joints, and landmarks without the mesh (see `landmarks`).

        Args:
            parameters: As in `forward`.
            skeleton: Skeleton whose ``landmarks`` to return, in its order.
            kinematics: Kinematics of the same parameters, if computed already.

        Returns:
            Keypoints in metres. Those this body does not have (see `supports`) are set to the root joint.

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
            output: Posed mesh and joints, from `forward`.
            skeleton: Skeleton whose landmarks to return.

        Returns:
            Keypoints in metres.
        """
        landmarks, mix = self._landmarks_of(skeleton)
        posed = landmarks.regressor @ output.vertices[:, landmarks.vertices]
        return mix @ torch.cat([output.joints, posed], 1)

    def supports(self, skeleton: Skeleton) -> Bool[Tensor, "k"]:
        """Computes which of a skeleton's keypoints this body has.

        Args:
            skeleton: Skeleton to check.

        Returns:
            True (k,) where `keypoints` returns the landmark.
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
        """Computes the joints in the zero pose.

        Args:
            betas: Shape coefficients.

        Returns:
            Joints, metres.
        """
        return self.J_template + torch.einsum("bs,jcs->bjc", betas, self.J_shapedirs[..., : betas.shape[1]])

    def zero_parameters(self, n: int = 1) -> BodyParameters:
        """Parameters of n mean bodies in the zero pose at the origin, in this body's dtype and on its device."""
        like = self.v_template
        eye = torch.eye(3, dtype=like.dtype, device=like.device).expand(n, len(self.parents), 3, 3)
        return BodyParameters(eye.clone(), like.new_zeros(n, self.n_betas), like.new_zeros(n, 3))

    def kinematics(self, parameters: BodyParameters) -> Kinematics:
        """Poses the joints alone.

        Args:
            parameters: As in `forward`; offsets do not move joints.

        Returns:
            Posed joints, world rotations and skinning transforms.

        Differentiability: smooth in all parameters.
        """
        rest = self.rest_joints(parameters.betas)
        self.tree = self.tree.to(rest)
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
        """Landmark moments of a skeleton, and the matrix (k, j + l) from joints and landmarks to its keypoints."""
        if skeleton.landmarks not in self._landmarks:
            composed = [self._composition(name) or {self.joint_names[0]: 1.0} for name in skeleton.landmarks]
            used = dict.fromkeys(name for parts in composed for name in parts if name not in self.joint_names)
            columns = [*self.joint_names, *used]
            mix = self.v_template.new_zeros(len(composed), len(columns))
            for row, parts in enumerate(composed):
                for name, weight in parts.items():
                    mix[row, columns.index(name)] += weight
            rows = [self.landmark_names.index(name) for name in used]
            with one_torch_thread():
                moments = landmark_moments(
                    self.landmark_regressor[rows], self.weights, self.v_template, self.shapedirs, self.posedirs
                )
            self._landmarks[skeleton.landmarks] = (moments, mix)
        return self._landmarks[skeleton.landmarks]
