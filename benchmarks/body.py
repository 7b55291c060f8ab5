"""How long M takes, against smplx's own layer with the same arrays: forward + backward, and keypoints alone.

    python benchmarks/body.py [--threads 2] [--runs 40]

Runs alternate between the two, so that a busy machine slows both alike.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import smplx
import torch

from render_fit.bodies import Body, BodyParameters, open_body, smpl_arrays
from render_fit.skeletons import COCO_17


def steps(body: Body, batch: int) -> dict[str, Callable[[], None]]:
    layer = smplx.SMPL(
        model_path="", data_struct=smplx.utils.Struct(**smpl_arrays(body)), num_betas=body.n_betas, batch_size=batch
    )
    pose = (0.2 * torch.randn(batch, 24, 3)).requires_grad_()
    betas = torch.randn(batch, body.n_betas).requires_grad_()
    transl = torch.zeros(batch, 3, requires_grad=True)
    leaves = (pose, betas, transl)

    def ours() -> None:
        output = body(BodyParameters.from_rotvec(pose, betas, transl))
        torch.autograd.grad(output.vertices.square().sum() + output.joints.square().sum(), leaves)

    def theirs() -> None:
        output = layer(
            global_orient=pose[:, 0], body_pose=pose[:, 1:].flatten(1), betas=betas, transl=transl, return_verts=True
        )
        torch.autograd.grad(output.vertices.square().sum() + output.joints.square().sum(), leaves)

    def keypoints() -> None:
        output = body.keypoints(BodyParameters.from_rotvec(pose, betas, transl), COCO_17)
        torch.autograd.grad(output.square().sum(), leaves)

    return {"render-fit": ours, "smplx": theirs, "render-fit, 17 keypoints": keypoints}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads, {platform.processor() or platform.machine()}")
    body = open_body()
    for batch in (1, 8):
        times: dict[str, list[float]] = {}
        for run in range(arguments.runs + 3):
            for name, step in steps_of(body, batch).items():
                begin = time.perf_counter()
                step()
                if run >= 3:  # the first runs fill caches
                    times.setdefault(name, []).append(1e3 * (time.perf_counter() - begin))
        for name, values in times.items():
            low, middle = min(values), statistics.median(values)
            print(f"{batch} bodies, forward + backward, {name}: median {middle:.2f} ms, least {low:.2f} ms")


_steps: dict[int, dict[str, Callable[[], None]]] = {}


def steps_of(body: Body, batch: int) -> dict[str, Callable[[], None]]:
    if batch not in _steps:
        _steps[batch] = steps(body, batch)
    return _steps[batch]


if __name__ == "__main__":
    main()
