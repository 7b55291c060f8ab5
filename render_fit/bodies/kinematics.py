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
        place = {joint: (level, k) for level, joints in enumerate(by_depth) for k, joint in enumerate(joints)}
        # For each level: its joints, and where their parents stand in the level above.
        self._levels = [
            (joints, [place[self.parents[j]][1] for j in joints] if level else [])
            for level, joints in enumerate(by_depth)
        ]
        self._order = [joint for joints in by_depth for joint in joints]
        self._back = [self._order.index(joint) for joint in range(len(self.parents))]

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
        bones = rest[:, 1:] - rest[:, list(self.parents[1:])]
        bones = torch.cat([rest[:, :1], bones], 1)
        local = torch.cat([rotations, bones[..., None]], -1)  # (b, j, 3, 4)
        above = local[:, :1]
        levels = [above]
        for joints, parents in self._levels[1:]:
            up = above[:, parents]
            own = local[:, joints]
            product = up[..., :3] @ own
            above = torch.cat([product[..., :3], product[..., 3:] + up[..., 3:]], -1)
            levels.append(above)
        world = torch.cat(levels, 1)[:, self._back]
        return world[..., :3], world[..., 3]
