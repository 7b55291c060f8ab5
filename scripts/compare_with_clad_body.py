"""Compares measurements with those of clad-body 0.6.1 (https://github.com/datar-psa/clad-body).

clad-body needs Python 3.12, so that the two run in environments of their own:

    python scripts/compare_with_clad_body.py write bodies.npz          # with render-fit
    python3.12 -m venv clad && clad/bin/pip install clad-body==0.6.1 networkx
    clad/bin/python scripts/compare_with_clad_body.py compare bodies.npz

Bodies: 30 of β ~ N(0, 1), |β| ≤ 2.5, of the open body. Where clad-body searches the level of a girth itself, levels and
girths differ; where it takes the level, only the cut and the tape are compared.
"""

import sys

import numpy as np

N_BODIES = 30


def write(path: str) -> None:
    """Measures bodies and writes them with their measurements."""
    import torch

    from render_fit.bodies import open_body
    from render_fit.measurements.measure import measure
    from render_fit.measurements.pose import measured_body

    body = open_body()
    measured = measured_body(body)
    betas = torch.randn(N_BODIES, 10, generator=torch.Generator().manual_seed(1)).clamp(-2.5, 2.5).double()
    values = {f"value_{name}": value.numpy() for name, value in measure(body, betas).items()}
    points = [np.stack([point.numpy() for point in measured.landmarks(row).values()]) for row in betas]
    vertices = [measured.vertices(row).numpy() for row in betas]
    np.savez(path, vertices=vertices, points=points, names=list(measured.names), faces=measured.faces, **values)


def compare(path: str) -> None:
    """Measures the same bodies by clad-body and prints the differences."""
    import trimesh
    from clad_body.measure import _circumferences as girths
    from clad_body.measure import _lengths as lengths
    from clad_body.measure import _slicer as slicer

    data = np.load(path)
    theirs: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        theirs.setdefault(name, []).append(value)

    for body_vertices, body_points in zip(data["vertices"], data["points"], strict=True):
        floor = body_vertices[:, 1].min()

        def turned(points: np.ndarray, floor: float = floor) -> np.ndarray:
            """clad-body's axes: z up from the floor, y backwards."""
            return np.stack([points[..., 0], -points[..., 2], points[..., 1] - floor], -1)

        mesh = trimesh.Trimesh(turned(body_vertices), data["faces"], process=False)
        point = dict(zip(data["names"].tolist(), turned(body_points), strict=True))
        joints = {
            f"{side[0]}_{joint}": point[f"{side}_{joint}"]
            for side in ("left", "right")
            for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        }
        kneecaps = {
            f"{side}_knee": joints[f"{side}_knee"] + 0.08 * (joints[f"{side}_ankle"] - joints[f"{side}_knee"])
            for side in "lr"
        }
        height = float(mesh.vertices[:, 2].max())
        bust = float(point["left_nipple"][2] + point["right_nipple"][2]) / 2
        waist = float(0.3 * point["pelvis"][2] + 0.7 * point["spine1"][2])
        levels = np.arange(0.46 * height, 0.54 * height, 0.002)
        fast = slicer.MeshSlicer(mesh)
        add("stature", 100 * height)
        add("bust, given level", 100 * slicer.torso_circumference_at_z(mesh, bust))
        add("waist, given level", 100 * slicer.torso_circumference_at_z(mesh, waist))
        add("waist", 100 * slicer.torso_circumference_at_z(mesh, slicer.WAIST_HEIGHT_PCT * height))
        add("hip", 100 * max(fast.circumference_at_z(level, max_x_extent=0.6) for level in levels))
        add("knee, given level", girths.measure_knee(mesh, height, joints={**joints, **kneecaps})[0])
        add("calf", girths.measure_calf(mesh, height, joints=joints)[0])
        add("wrist", girths.measure_wrist(mesh, height, joints=joints)[0])
        add("upper_arm", girths.measure_upperarm(mesh, height)[0])
        add("thigh", girths.measure_thigh(mesh, height)[0])
        add("neck", girths.measure_neck(mesh, height)[0])
        add("inside_leg", lengths.measure_inseam(mesh, height)[0])
        add("volume", 1000 * mesh.volume)
    print(f"{'':22s}{'theirs':>8s}{'ours':>8s}{'mean difference':>17s}{'standard deviation':>20s}{'largest':>9s}")
    for name, values in theirs.items():
        key = name.split(",")[0]
        ours = (1000 if key == "volume" else 100) * data[f"value_{key}"]
        differences = ours - np.asarray(values)
        print(
            f"{name:22s}{np.mean(values):8.2f}{ours.mean():8.2f}{differences.mean():17.3f}"
            f"{differences.std():20.3f}{np.abs(differences).max():9.3f}"
        )


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](sys.argv[2])
