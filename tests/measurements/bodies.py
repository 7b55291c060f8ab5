"""Bodies of other topologies, joints and sizes, made from the open body."""

from __future__ import annotations

import torch

from render_fit.bodies import Body, open_body


def rebuilt(**changes) -> Body:
    """The open body with other arrays."""
    body = open_body()
    given = {
        name: getattr(body, name)
        for name in ("name", "joint_names", "parents", "v_template", "shapedirs", "J_regressor", "weights", "faces")
    }
    return Body(**{**given, **changes})


def scaled(factor: float) -> Body:
    """A body of another size."""
    body = open_body()
    return rebuilt(v_template=factor * body.v_template, shapedirs=factor * body.shapedirs)


def subdivided() -> Body:
    """The same surface as a mesh of four times as many faces, its vertices in another order."""
    body = open_body()
    pairs = body.faces[:, [[0, 1], [1, 2], [2, 0]]].sort(-1).values
    edges, middle = torch.unique(pairs.reshape(-1, 2), dim=0, return_inverse=True)
    a, b, c = body.faces.T
    ab, bc, ca = (middle.reshape(-1, 3) + body.n_vertices).T
    faces = torch.cat([torch.stack(corners, 1) for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    order = torch.randperm(body.n_vertices + len(edges), generator=torch.Generator().manual_seed(0))

    def refined(values: torch.Tensor) -> torch.Tensor:
        return torch.cat([values, values[edges].mean(1)])[order]

    regressor = torch.cat([body.J_regressor, body.J_regressor.new_zeros(len(body.parents), len(edges))], 1)[:, order]
    return rebuilt(
        name="subdivided",
        v_template=refined(body.v_template),
        shapedirs=refined(body.shapedirs),
        weights=refined(body.weights),
        J_regressor=regressor,
        faces=order.argsort()[faces],
    )


def with_more_joints() -> Body:
    """A body whose hands and face have joints of their own, as in SMPL-X."""
    body = open_body()
    more = ("jaw", "left_index1", "right_index1")
    parents = [*body.parents, *(body.joint_names.index(name) for name in ("head", "left_hand", "right_hand"))]
    weights, regressor = body.weights, body.J_regressor
    return rebuilt(
        name="smplx",
        joint_names=(*body.joint_names, *more),
        parents=parents,
        weights=torch.cat([weights, weights.new_zeros(len(weights), 3)], 1),
        J_regressor=torch.cat([regressor, regressor[-3:]]),
        smpl_parts=[*range(24), 15, 22, 23],
    )
