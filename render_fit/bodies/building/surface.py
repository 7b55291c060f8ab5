"""The open body's surface: MakeHuman's closed skin without inner cavities, thinned to SMPL's resolution.

Everything is done on the person's left half (x >= 0) and mirrored, so that the result is symmetric to the bit. The
thinning keeps a *subset* of MakeHuman's vertices (half-edge collapses), so that its shape targets and skinning weights
carry over unchanged.
"""

import heapq
from collections import defaultdict

import numpy as np

MIDLINE_M = 1e-6  # metres: MakeHuman's midline vertices have x = 0 to the last digit


def boundary_loops(faces: np.ndarray) -> list[list[int]]:
    """Return the open boundaries of an oriented mesh, each in the direction of the missing faces' edges."""
    edges = {(int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)}
    follow = {b: a for a, b in edges if (b, a) not in edges}
    loops = []
    while follow:
        start, here = follow.popitem()
        loop = [start]
        while here != start:
            loop.append(here)
            here = follow.pop(here)
        loops.append(loop)
    return loops


def triangulated(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Split quads along their shorter diagonal; mirrored quads are split alike."""
    a, b, c, d = quads.T
    diagonal = np.linalg.norm(vertices[a] - vertices[c], axis=1) - np.linalg.norm(vertices[b] - vertices[d], axis=1)
    shorter = diagonal < -1e-7
    first = np.where(shorter[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where(shorter[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.concatenate([first, second])


def half_surface(
    quads: np.ndarray, vertices: np.ndarray, cavity_faces: np.ndarray, discarded_vertices: np.ndarray, left_eye: int
) -> np.ndarray:
    """Return the left half (x >= 0) of the skin as triangles: cavities removed, eye and mouth closed.

    Args:
        quads: MakeHuman's body faces (q, 4).
        vertices: the mean adult at rest (n, 3), metres, y up, x to the person's left.
        cavity_faces: indices of the faces that line the mouth and the eye sockets.
        discarded_vertices: indices of vertices to remove; the holes are closed flat (the nipples).
        left_eye: index of the vertex in the middle of the left eyeball's front, which closes the left eye.
    """
    keep = np.ones(len(quads), bool)
    keep[cavity_faces] = False
    keep &= ~np.isin(quads, discarded_vertices).any(1)
    keep &= (vertices[quads, 0] > -MIDLINE_M).all(1)
    faces = triangulated(quads[keep], vertices)
    middle = np.abs(vertices[:, 0]) <= MIDLINE_M
    closing: list[tuple[int, int, int]] = []
    for loop in boundary_loops(faces):
        if not middle[loop].any():
            centre = vertices[loop].mean(0)
            if np.linalg.norm(centre - vertices[left_eye]) < 0.03:  # metres: the only hole this near is the eye
                closing += [(a, b, left_eye) for a, b in zip(loop, np.roll(loop, -1), strict=True)]
            else:
                closing += _ears(loop, vertices)
            continue
        # The midline is one long boundary, open at the mouth. The lips are its run of off-midline vertices.
        start = next(i for i in range(len(loop)) if middle[loop[i]] and middle[loop[i - 1]])
        loop = loop[start:] + loop[:start]
        run = [i for i, v in enumerate(loop) if not middle[v]]
        if run:
            closing += _ears(loop[run[0] - 1 : run[-1] + 2], vertices)
    return np.concatenate([faces, np.asarray(closing, dtype=faces.dtype)])


def _ears(loop: list[int], vertices: np.ndarray) -> list[tuple[int, int, int]]:
    """Close a loop by repeatedly cutting off the corner with the shortest new edge."""
    loop, triangles = list(loop), []
    while len(loop) > 3:
        lengths = [
            np.linalg.norm(vertices[loop[i - 1]] - vertices[loop[(i + 1) % len(loop)]]) for i in range(len(loop))
        ]
        i = int(np.argmin(lengths))
        triangles.append((loop[i - 1], loop[i], loop[(i + 1) % len(loop)]))
        del loop[i]
    return [*triangles, (loop[0], loop[1], loop[2])]


def thin(faces: np.ndarray, vertices: np.ndarray, n_target: int, length_weight: float = 0.02) -> np.ndarray:
    """Collapse edges onto one of their ends until ``n_target`` vertices are left.

    The cost of moving u onto v is u's quadric error at v (Garland and Heckbert 1997) plus ``length_weight`` times the
    squared edge length times u's area, which thins dense places (ears, fingers, toes) first and keeps the edge
    loops of the limbs. Midline vertices stay on the midline. A collapse that would flip a normal or break the
    manifold is not made.
    """
    vertices = vertices.astype(float)
    ring: dict[int, set[int]] = defaultdict(set)
    for k, face in enumerate(faces):
        for v in face:
            ring[int(v)].add(k)
    triangles = [tuple(int(v) for v in face) for face in faces]
    middle = np.abs(vertices[:, 0]) <= MIDLINE_M

    def normal(face: tuple[int, ...]) -> np.ndarray:
        a, b, c = (vertices[v] for v in face)
        return np.cross(b - a, c - a)

    quadrics: dict[int, np.ndarray] = {v: np.zeros((4, 4)) for v in ring}
    for face in triangles:
        n = normal(face)
        area = np.linalg.norm(n) / 2
        plane = n / max(2 * area, 1e-15)
        plane = np.append(plane, -plane @ vertices[face[0]])
        for v in face:
            quadrics[v] += np.outer(plane, plane) * area / 3

    def neighbours(v: int) -> set[int]:
        return {w for k in ring[v] for w in triangles[k]} - {v}

    def cost(u: int, v: int) -> float:
        p = np.append(vertices[v], 1.0)
        area = sum(np.linalg.norm(normal(triangles[k])) for k in ring[u]) / 6
        length = np.linalg.norm(vertices[u] - vertices[v])
        # An off-midline collapse counts twice: the mirrored half collapses as well.
        return float(p @ quadrics[u] @ p + length_weight * area * length**2) * (2.0 if not middle[u] else 1.0)

    def allowed(u: int, v: int) -> bool:
        shared = [k for k in ring[u] if v in triangles[k]]
        if middle[u] and (not middle[v] or len(shared) != 1):
            return False
        if len(neighbours(u) & neighbours(v)) != len(shared):
            return False
        for k in ring[u]:
            if k in shared:
                continue
            before = normal(triangles[k])
            after = normal(tuple(v if w == u else w for w in triangles[k]))
            if before @ after < 0.25 * np.linalg.norm(before) * np.linalg.norm(after):
                return False
            a, b, c = (vertices[v if w == u else w] for w in triangles[k])
            longest = max(np.linalg.norm(a - b), np.linalg.norm(b - c), np.linalg.norm(c - a))
            if np.linalg.norm(after) < 0.15 * longest**2:  # slivers: height under 0.15 of the longest side
                return False
        return True

    heap = [(cost(u, v), u, v) for u in ring for v in neighbours(u)]
    heapq.heapify(heap)
    # Number of vertices of the whole, mirrored surface.
    count = sum(1 if middle[v] else 2 for v in ring)
    while count > n_target and heap:
        known, u, v = heapq.heappop(heap)
        if u not in ring or v not in ring or v not in neighbours(u):
            continue
        now = cost(u, v)
        if now > known * 1.0001 + 1e-18:
            heapq.heappush(heap, (now, u, v))
            continue
        if not allowed(u, v):
            continue
        for k in list(ring[u]):
            if v in triangles[k]:
                for w in triangles[k]:
                    ring[w].discard(k)
                triangles[k] = ()
            else:
                triangles[k] = tuple(v if w == u else w for w in triangles[k])
                ring[v].add(k)
        quadrics[v] = quadrics[v] + quadrics[u]
        del ring[u]
        count -= 1 if middle[u] else 2
        for w in neighbours(v):
            heapq.heappush(heap, (cost(v, w), v, w))
            heapq.heappush(heap, (cost(w, v), w, v))
    return np.asarray([t for t in triangles if t], dtype=np.int64)


def mirrored(half: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join a left half with its mirror image.

    Args:
        half: triangles of the left half (f, 3) in MakeHuman's vertex numbers.
        mirror: MakeHuman's left-right vertex pairs (n,).

    Returns:
        faces (2f, 3) in new indices; MakeHuman's index of each new vertex (v,); mirror pairs (v,) in new indices.
    """
    faces = np.concatenate([half, mirror[half][:, ::-1]])
    kept, faces = np.unique(faces, return_inverse=True)
    number = {int(v): i for i, v in enumerate(kept)}
    return faces.reshape(-1, 3), kept, np.asarray([number[int(mirror[v])] for v in kept])
