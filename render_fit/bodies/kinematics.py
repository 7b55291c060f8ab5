"""Forward kinematics of a joint tree, one level of the tree at a time, and its gradient in one step for all joints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class Tree:
    """A kinematic tree.

    Joints of one depth are posed together: SMPL's 24 joints take eight small matrix products instead of 23. The
    backward pass takes one for all of them, since a joint moves its descendants as one rigid piece.

    Attributes:
        parents: Parent of every joint; -1 for the root.
        descendants: (j, j) matrix whose row j is 1 for joint j and the joints below it.
    """

    def __init__(self, parents: Sequence[int]) -> None:
        """Makes a tree.

        Args:
            parents: Parent of every joint; -1 for joint 0, the only root; parents come before their children.

        Raises:
            ValueError: If ``parents`` does not describe such a tree.
        """
        self.parents = tuple(parents)
        if self.parents[0] != -1 or any(not 0 <= p < i for i, p in enumerate(self.parents) if i):
            raise ValueError(
                f"parents must be -1 for joint 0 and an earlier joint for every other one; got {self.parents}"
            )
        count = len(self.parents)
        depth = [0] * count
        for i, parent in enumerate(self.parents[1:], start=1):
            depth[i] = depth[parent] + 1
        by_depth = [[i for i, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]
        self._sizes = [len(joints) for joints in by_depth]
        self._order = torch.tensor([joint for joints in by_depth for joint in joints])
        self._back = self._order.argsort()
        # For each level below the root: indices of its joints' parents in the level above; None: in the same order.
        self._above: list[Tensor | None] = []
        for level, joints in enumerate(by_depth[1:]):
            above = [by_depth[level].index(self.parents[joint]) for joint in joints]
            straight = above == list(range(len(by_depth[level])))
            self._above.append(None if straight else torch.tensor(above))
        self._parents = torch.tensor(self.parents[1:], dtype=torch.long)
        self._bones = torch.eye(count)  # (j, j) maps joints to bones; the root's bone starts at the origin
        self.descendants = torch.eye(count)
        for i, parent in enumerate(self.parents[1:], start=1):
            self._bones[i, parent] = -1.0
        for i in range(count - 1, 0, -1):
            self.descendants[self.parents[i]] += self.descendants[i]

    def to(self, like: Tensor) -> Tree:
        """This tree with its tables on a tensor's device, in its precision."""
        if like.device == self._order.device and like.dtype == self._bones.dtype:
            return self
        moved = Tree(self.parents)
        moved._order, moved._back = moved._order.to(like.device), moved._back.to(like.device)
        moved._parents = moved._parents.to(like.device)
        moved._above = [None if above is None else above.to(like.device) for above in moved._above]
        moved._bones, moved.descendants = moved._bones.to(like), moved.descendants.to(like)
        return moved

    def pose(
        self, rotations: Float[Tensor, "b j 3 3"], rest: Float[Tensor, "b j 3"]
    ) -> tuple[Float[Tensor, "b j 3 3"], Float[Tensor, "b j 3"]]:
        """Poses the joints.

        Args:
            rotations: Local rotations (b, j, 3, 3), the root's first.
            rest: Joints in the zero pose (b, j, 3), metres; same precision and device as the tree's (see `to`).

        Returns:
            World rotations, and posed joints in metres; the root stays at its rest position.

        Differentiability: smooth, twice. The gradient is that of a product of matrices wherever they are rotations.
        """
        return _Pose.apply(rotations, rest, self)  # pyright: ignore[reportReturnType]

    def _posed(self, rotations: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        """`pose` without a gradient."""
        bottom = rest.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*rest.shape[:2], 1, 4)
        local = torch.cat([torch.cat([rotations, (self._bones @ rest)[..., None]], -1), bottom], -2)
        first, *below = local.index_select(1, self._order).split(self._sizes, 1)
        levels = [first]
        for own, above in zip(below, self._above, strict=True):
            up = levels[-1] if above is None else levels[-1].index_select(1, above)
            levels.append(up @ own)
        world = torch.cat(levels, 1).index_select(1, self._back)
        return world[..., :3, :3].contiguous(), world[..., :3, 3].contiguous()

    def parents_of(self, rotations: Tensor) -> Tensor:
        """World rotations of the parents; the root's is the identity."""
        eye = torch.eye(3, dtype=rotations.dtype, device=rotations.device).expand(len(rotations), 1, 3, 3)
        return torch.cat([eye, rotations.index_select(1, self._parents)], 1)


class _Pose(torch.autograd.Function):
    """Joints of one depth at a time forwards; all at once backwards.

    Turning joint j by a small world rotation turns its descendants about j. With G_d and g_d the gradients in the world
    rotation R_d and the position p_d of every descendant d of j (itself included), and P the world rotation of j's
    parent, the gradient in j's local rotation is Pᵀ (Σ G_d R_dᵀ + Σ g_d (p_d − p_j)ᵀ) R_j, that in its bone Pᵀ Σ g_d.
    """

    @staticmethod
    def forward(ctx: Any, rotations: Tensor, rest: Tensor, tree: Tree) -> tuple[Tensor, Tensor]:
        world, joints = tree._posed(rotations, rest)
        ctx.tree = tree
        ctx.save_for_backward(world, joints)
        return world, joints

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (world, joints), (turning, pulling), tree = ctx.saved_tensors, gradients, ctx.tree
        torques = turning @ world.mT + pulling[..., None] * joints[..., None, :]
        hanging = tree.descendants @ torch.cat([torques.flatten(-2), pulling], -1)
        torque, pull = hanging[..., :9].unflatten(-1, (3, 3)), hanging[..., 9:]
        to_parent = tree.parents_of(world).mT
        rotations = to_parent @ (torque - pull[..., None] * joints[..., None, :]) @ world
        return rotations, tree._bones.mT @ (to_parent @ pull[..., None])[..., 0], None
