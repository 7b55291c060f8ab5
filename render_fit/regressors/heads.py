"""Where a regressor's answers begin, and how they are corrected."""

from __future__ import annotations

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

FARTHEST_STEP = 2.0
"""Of a correction, in every number of an answer, whatever its unit (columns of rotations, standard deviations of shape,
logarithms): as far as numbers of two columns are apart. Three corrections tell shapes to six standard deviations."""


def upright_output(hypotheses: int, n_joints: int, size: int) -> Float[Tensor, "h a"]:
    """Answers to begin with: the zero pose, standing upright before the camera, facing it or turned about evenly.

    Args:
        hypotheses: How many.
        n_joints: Whose rotations, six numbers each, come first, and whose spreads come last.
        size: Numbers of one answer.
    """
    answer = torch.zeros(hypotheses, size)
    answer[:, : 6 * n_joints] = torch.eye(3)[:, :2].flatten().repeat(n_joints)
    for index in range(hypotheses):
        yaw = torch.tensor([0.0, 2 * torch.pi * index / hypotheses, 0.0])
        upright = roma.rotvec_to_rotmat(torch.tensor([torch.pi, 0.0, 0.0])) @ roma.rotvec_to_rotmat(yaw)
        answer[index, :6] = upright[:, :2].flatten()
    answer[:, -n_joints:] = -2.0
    return answer


class IterativeHead(nn.Module):
    """Iterative error feedback: features and the answer so far give a correction, some times over.

    All hypotheses share the layers that correct them, and differ in where they start; the starts are learned as well.
    No correction moves a number by more than `FARTHEST_STEP`: what nothing holds (how far away somebody is, and what
    shape they have, where only joints in the picture are known) would run away.

    Args:
        width: Of the features.
        start: (H, A) the answers to begin with.
        times: Corrections.

    Source: Carreira et al., CVPR 2016, who bound corrections too; for bodies, Kanazawa et al., CVPR 2018, section 3.2.
    """

    def __init__(self, width: int, start: Float[Tensor, "h a"], times: int) -> None:
        super().__init__()
        self.times = times
        self.start = nn.Parameter(start.clone())
        last = nn.Linear(width, start.shape[1])
        nn.init.normal_(last.weight, std=1e-2)
        nn.init.zeros_(last.bias)
        self.correction = nn.Sequential(
            nn.Linear(width + start.shape[1], width), nn.GELU(), nn.Linear(width, width), nn.GELU(), last
        )

    def forward(self, features: Float[Tensor, "n w"]) -> Float[Tensor, "n ha"]:
        """Answers, hypothesis after hypothesis, as a linear layer would give them.

        Differentiability: smooth; through all corrections.
        """
        answer = self.start.expand(features.shape[0], -1, -1)
        seen = features[:, None].expand(-1, answer.shape[1], -1)
        for _ in range(self.times):
            correction = self.correction(torch.cat([seen, answer.to(seen)], -1)).float()
            answer = answer + FARTHEST_STEP * (correction / FARTHEST_STEP).tanh()
        return answer.flatten(1)
