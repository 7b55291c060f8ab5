"""Time of the body model M, against smplx's layer with the same arrays: forward and backward, and keypoints alone.

    python -m benchmarks.body [--threads 2] [--runs 40] [--json FILE]

The gradients of both are compared first; if they differ, nothing is timed and the program fails.
The open body has no pose correctives, so it is also timed with random ones of SMPL's size (207 directions).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import smplx
import torch
from smplx.utils import Struct
from torch import Tensor

from benchmarks.measure import quotient, take_turns, timed
from benchmarks.report import Report, arguments
from render_fit.bodies import Body, BodyParameters, open_body, smpl_arrays
from render_fit.core.skeletons import COCO_17

BATCHES = (1, 8)

TOLERANCE = 1e-5
"""Largest norm of the gradients' difference, relative to a gradient's norm; both sides compute in float32."""

OURS, THEIRS, KEYPOINTS = "render-fit", "smplx", "render-fit, 17 keypoints alone"


def with_correctives(body: Body) -> Body:
    """The body with random pose correctives of SMPL's size, a millimetre each."""
    generator = torch.Generator().manual_seed(0)
    posedirs = 1e-3 * torch.randn(body.n_vertices, 3, 9 * (len(body.parents) - 1), generator=generator)
    return Body(
        name=f"{body.name} with pose correctives",
        joint_names=body.joint_names,
        parents=body.parents,
        v_template=body.v_template,
        shapedirs=body.shapedirs,
        J_regressor=body.J_regressor,
        weights=body.weights,
        faces=body.faces,
        posedirs=posedirs,
        landmark_names=body.landmark_names,
        landmark_regressor=body.landmark_regressor,
    )


def cases_of(body: Body, batch: int) -> dict[str, Callable[[], tuple[Tensor, ...]]]:
    """Cases that compute the gradients of a sum of squares with respect to pose, betas and translation."""
    layer = smplx.SMPL(model_path="", data_struct=Struct(**smpl_arrays(body)), num_betas=body.n_betas, batch_size=batch)
    generator = torch.Generator().manual_seed(1)
    pose = (0.2 * torch.randn(batch, 24, 3, generator=generator)).requires_grad_()
    betas = torch.randn(batch, body.n_betas, generator=generator).requires_grad_()
    transl = torch.zeros(batch, 3, requires_grad=True)
    leaves = (pose, betas, transl)

    def ours() -> tuple[Tensor, ...]:
        output = body(BodyParameters.from_rotvec(pose, betas, transl))
        return torch.autograd.grad(output.vertices.square().sum() + output.joints.square().sum(), leaves)

    def theirs() -> tuple[Tensor, ...]:
        output = layer(
            global_orient=pose[:, 0], body_pose=pose[:, 1:].flatten(1), betas=betas, transl=transl, return_verts=True
        )
        joints = output.joints[:, : len(body.parents)]
        return torch.autograd.grad(output.vertices.square().sum() + joints.square().sum(), leaves)

    def keypoints() -> tuple[Tensor, ...]:
        output = body.keypoints(BodyParameters.from_rotvec(pose, betas, transl), COCO_17)
        return torch.autograd.grad(output.square().sum(), leaves)

    return {OURS: ours, THEIRS: theirs, KEYPOINTS: keypoints}


def difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Norm of the difference of two gradients, relative to the norm of the second."""
    mine, other = (torch.cat([one.flatten() for one in all_of]) for all_of in (ours, theirs))
    return float((mine - other).norm() / other.norm())


def main(words: Sequence[str] | None = None) -> int:
    parser = arguments(__doc__, runs=40)
    chosen = parser.parse_args(words)
    torch.set_num_threads(chosen.threads)
    report = Report("body")
    report.facts["threads"] = chosen.threads
    plain = open_body()
    bodies = {"": plain} | ({", pose correctives": with_correctives(plain)} if plain.posedirs is None else {})
    worst = 0.0
    for suffix, body in bodies.items():
        for batch in BATCHES:
            cases = cases_of(body, batch)
            off = difference(cases[OURS](), cases[THEIRS]())
            if not off <= TOLERANCE:
                print(f"{body.name}, {batch}: not timed, the gradient differs from smplx's by {off:.2g} of its norm")
                return 1
            worst = max(worst, off)
            times = take_turns({name: timed(case) for name, case in cases.items()}, chosen.runs, warm_up=3)
            row = f"{batch} {'body' if batch == 1 else 'bodies'}{suffix}"
            for name, seconds in times.items():
                report.milliseconds((row, name), seconds[:, 0])
            report.ratio(f"{row}: {OURS} ÷ {THEIRS}", quotient(times[OURS], times[THEIRS]))
            if not suffix:
                report.ratio(f"{row}: {KEYPOINTS} ÷ {THEIRS}", quotient(times[KEYPOINTS], times[THEIRS]))
    report.facts["gradients checked"] = f"within {worst:.1g} of the length of smplx's"
    report.finish(chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
