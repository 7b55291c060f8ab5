"""Forward kinematics of a joint tree, one level of the tree at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class Tree:
    """A kinematic tree.

    Joints of one depth are posed together: SMPL's 24 joints take nine small matrix products instead of 23.
    """

    def __init__(self, parents: Sequence[int]) -> None:
        """Makes a tree.

        Args:
            parents: Parent of every joint; -1 for joint 0, the only root; parents come before their children.

        Raises:
            ValueError: If the parents are no such tree.
        """
        self.parents = tuple(parents)
        if self.parents[0] != -1 or any(not 0 <= p < i for i, p in enumerate(self.parents) if i):
            raise ValueError(
                f"parents must be -1 for joint 0 and an earlier joint for every other one; got {self.parents}"
            )
        depth = [0] * len(self.parents)
        for i, parent in enumerate(self.parents[1:], start=1):
            depth[i] = depth[parent] + 1
        by_depth = [[i for i, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]
        self._sizes = [len(joints) for joints in by_depth]
        self._order = torch.tensor([joint for joints in by_depth for joint in joints])
        self._back = self._order.argsort()
        # For each level below the root: where its joints' parents stand in the level above; None: in the same order.
        self._above: list[Tensor | None] = []
        for level, joints in enumerate(by_depth[1:]):
            above = [by_depth[level].index(self.parents[joint]) for joint in joints]
            straight = above == list(range(len(by_depth[level])))
            self._above.append(None if straight else torch.tensor(above))
        self._bone_parents = torch.tensor([0, *self.parents[1:]])

    def to(self, device: torch.device) -> Tree:
        """Gives this tree with its index tables on a device."""
        if device == self._order.device:
            return self
        moved = Tree(self.parents)
        moved._order, moved._back = moved._order.to(device), moved._back.to(device)
        moved._above = [None if above is None else above.to(device) for above in moved._above]
        moved._bone_parents = moved._bone_parents.to(device)
        return moved

    def pose(
        self, rotations: Float[Tensor, "b j 3 3"], rest: Float[Tensor, "b j 3"]
    ) -> tuple[Float[Tensor, "b j 3 3"], Float[Tensor, "b j 3"]]:
        """Poses the joints.

        Args:
            rotations: Local rotations, the root's first.
            rest: Joints in the zero pose, metres.

        Returns:
            World rotations, and posed joints in metres; the root stays at its rest place.

        Differentiability: smooth.
        """
        has_parent = rest.new_ones(len(self.parents), 1)
        has_parent[0] = 0.0
        bones = rest - has_parent * rest.index_select(1, self._bone_parents)
        bottom = rest.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*rest.shape[:2], 1, 4)
        local = torch.cat([torch.cat([rotations, bones[..., None]], -1), bottom], -2)
        first, *below = local.index_select(1, self._order).split(self._sizes, 1)
        levels = [first]
        for own, above in zip(below, self._above, strict=True):
            up = levels[-1] if above is None else levels[-1].index_select(1, above)
            levels.append(up @ own)
        world = torch.cat(levels, 1).index_select(1, self._back)
        return world[..., :3, :3], world[..., :3, 3]
