"""Hat brims, scarves, bags with straps and heels: meshes of their own on a posed body."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull

from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.garments.cutting import ARM_PARTS, HEAD_PARTS
from render_fit.synthesis.garments.sheets import DOWN, Collider, PosedBody, Sheet, grid_faces, hang, hull_radius

Side = Literal["left", "right"]
STRAP_M = 0.03
"""Width of a strap, metres."""

_UP = -DOWN
_HEAD = (HEAD_PARTS[1],)
_TRUNK = tuple(SMPL_24.index(name) for name in ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar"))


def brim(posed: PosedBody, height_m: float, width_m: float, front_only: bool) -> Sheet:
    """The brim of a hat, or the peak of a cap.

    Args:
        posed: Posed body; its surface includes the crown of the hat.
        height_m: Height of the brim on the resting body, metres.
        width_m: Width of the brim, metres.
        front_only: Whether it is a peak.
    """
    head = np.isin(posed.rest.parts, HEAD_PARTS) & (np.abs(posed.rest.vertices[:, 1] - height_m) < 0.015)
    band = posed.surface_rest[head]
    centre = np.array([0.0, height_m, band[:, 2].mean()])
    angles = np.linspace(np.radians(25), np.radians(155), 24) if front_only else np.arange(36) * (2 * np.pi / 36)
    radius = hull_radius((band - centre)[:, [0, 2]], angles)
    reach = np.sin((angles - angles[0]) / (angles[-1] - angles[0]) * np.pi) ** 0.5 if front_only else np.ones(36)
    out = np.stack([np.cos(angles), np.zeros_like(angles), np.sin(angles)], axis=1)
    rows = [centre + (radius - 0.006)[:, None] * out]
    for share in (0.5, 1.0):
        drop = 0.25 * share**2 * width_m * (1.0 if front_only else 0.4)
        rows.append(centre + (radius + share * width_m * reach)[:, None] * out + drop * DOWN)
    points = np.concatenate(rows)
    return Sheet("hat", "hat", posed.motion(points, _HEAD), points, grid_faces(3, len(angles), not front_only))


def scarf(posed: PosedBody, thickness_m: float, end_m: float, rng: np.random.Generator) -> list[Sheet]:
    """A scarf around the neck, with one end that hangs in front if ``end_m`` is positive.

    Args:
        posed: Posed body and what it wears.
        thickness_m: Radius of the roll around the neck, metres.
        end_m: Length of the end, metres; 0 for none.
        rng: Source of randomness.
    """
    neck = posed.rest.joints["neck"]
    y = neck[1] + 0.035
    near = np.abs(posed.rest.vertices[:, 1] - y) < 0.02
    band = posed.rest.vertices[near & ~np.isin(posed.rest.parts, ARM_PARTS)]
    centre = np.array([0.0, y, band[:, 2].mean()])
    angles, turns = np.arange(40) * (2 * np.pi / 40), np.arange(12) * (2 * np.pi / 12)
    radius = hull_radius((band - centre)[:, [0, 2]], angles).clip(0.05, 0.095) + 0.6 * thickness_m
    wobble = 1 + 0.15 * np.cos(3 * angles + rng.uniform(0, 6))
    out = np.stack([np.cos(angles), np.zeros(40), np.sin(angles)], axis=1)
    roll = thickness_m * wobble[:, None, None] * (
        np.cos(turns)[None, :, None] * out[:, None] + 1.25 * np.sin(turns)[None, :, None] * _UP
    )  # fmt: skip
    # The roll lies lower in front, on the collarbones.
    tilt = 0.03 * np.sin(angles)[:, None, None] * DOWN
    points = (centre + radius[:, None, None] * out[:, None] + roll + tilt).reshape(-1, 3)
    parts = (HEAD_PARTS[0], SMPL_24.index("spine3"))
    faces = np.concatenate([grid_faces(40, 12, True), _seam(40, 12)])
    pieces = [Sheet("scarf", "scarf", posed.motion(points, parts), points, faces)]
    if end_m > 0:
        offset = rng.uniform(-0.05, 0.05)
        across = np.linspace(-0.06, 0.06, 9)
        front = radius[10] + 0.4 * thickness_m
        top = centre + np.stack([across + offset, np.full(9, -0.03), np.full(9, front)], axis=1)
        grid = hang(posed.motion(top, parts), np.full(9, end_m), 20, Collider.of(posed), clearance_m=0.02)
        cloth = np.stack(np.broadcast_arrays(across[None], -np.linspace(0, end_m, 20)[:, None], 0.1), axis=-1)
        pieces.append(Sheet("scarf", "scarf", grid.reshape(-1, 3), cloth.reshape(-1, 3), grid_faces(20, 9, False)))
    return pieces


def heel(posed: PosedBody, side: Side, height_m: float, tilt_rad: float) -> Sheet:
    """The heel of a shoe: a block from the heel to the ground.

    Args:
        posed: Posed body in shoes; its ankles are plantar-flexed.
        side: Foot.
        height_m: Height of the heel, metres.
        tilt_rad: Angle by which the ankle is flexed, radians.
    """
    foot = (SMPL_24.index(f"{side}_ankle"),)
    own = posed.surface_rest[np.isin(posed.rest.parts, foot)]
    back = own[:, 2].min()
    sole = own[(own[:, 2] < back + 0.06)]
    bottom = sole[:, 1].min()
    centre = np.array([sole[:, 0].mean(), bottom + 0.012, back + 0.035])
    angles = np.arange(14) * (2 * np.pi / 14)
    circle = np.stack([np.cos(angles), np.zeros(14), np.sin(angles)], axis=1)
    # On the resting foot, the way to the ground leans by the tilt.
    to_ground = np.array([0.0, -np.cos(tilt_rad), -np.sin(tilt_rad)])
    rows = [centre + 0.028 * circle, centre + (0.5 * height_m) * to_ground + 0.018 * circle]
    rows.append(centre + (height_m + 0.012) * to_ground + 0.014 * circle)
    rows.append(np.repeat((centre + (height_m + 0.012) * to_ground)[None], 14, axis=0))
    points = np.concatenate(rows)
    return Sheet("shoe", "shoes", posed.motion(points, foot), points, grid_faces(4, 14, True), foot[0])


def toe_box(posed: PosedBody, side: Side) -> Sheet:
    """The front of a shoe: the convex hull of toes and ball of the foot, which hides the shape of the toes."""
    parts = [SMPL_24.index(f"{side}_{joint}") for joint in ("ankle", "foot")]
    front = posed.rest.joints[f"{side}_ankle"][2] + 0.06
    chosen = np.isin(posed.rest.parts, parts) & (posed.rest.vertices[:, 2] > front)
    hull = ConvexHull(posed.surface[chosen])
    numbers = np.full(len(posed.surface[chosen]), -1)
    numbers[hull.vertices] = np.arange(len(hull.vertices))
    points, faces = posed.surface[chosen][hull.vertices], numbers[hull.simplices]
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    inwards = (np.cross(b - a, c - a) * hull.equations[:, :3]).sum(axis=1) < 0
    faces[inwards] = faces[inwards, ::-1]
    return Sheet("shoe", "shoes", points, posed.surface_rest[chosen][hull.vertices], faces, parts[0])


def handbag(posed: PosedBody, size_m: Float[np.ndarray, "3"], handle_m: float) -> list[Sheet]:
    """A bag or a shopping bag that hangs from the lower hand.

    Args:
        posed: Posed body and what it wears.
        size_m: Length, height and depth of the bag, metres.
        handle_m: Length of the handles, metres.
    """
    side: Side = "left" if posed.joints["left_hand"][1] < posed.joints["right_hand"][1] else "right"
    hand = 0.5 * (posed.joints[f"{side}_hand"] + posed.joints[f"{side}_wrist"])
    forward = _heading(posed)
    axes = np.stack([forward, _UP, np.cross(forward, _UP)])
    centre = hand + (handle_m + 0.5 * size_m[1]) * DOWN
    box, faces = rounded_box(size_m)
    points = centre + box @ axes
    shift = _clear(points, Collider.of(posed, ~np.isin(posed.rest.parts, ARM_PARTS)))
    pieces = [Sheet("bag", "bag", points + shift, box, faces)]
    for depth in (-0.3, 0.3):
        ends = [centre + shift + np.array([end * size_m[0], 0.48 * size_m[1], depth * size_m[2]]) @ axes
                for end in (-0.3, 0.3)]  # fmt: skip
        pieces.append(_ribbon(np.stack([ends[0], hand, ends[1]]), axes[2], 0.015))
    return pieces


def shoulder_bag(
    posed: PosedBody, size_m: Float[np.ndarray, "3"], side: Side, across: bool, drop_m: float
) -> list[Sheet]:
    """A bag at the hip that hangs from a shoulder.

    Args:
        posed: Posed body and what it wears.
        size_m: Length, height and depth of the bag, metres.
        side: Hip at which it hangs.
        across: Whether the strap runs across the chest, from the other shoulder.
        drop_m: Height of the bag's upper edge over the hip joint, metres.
    """
    forward, hip = _heading(posed), posed.joints[f"{side}_hip"]
    outwards = np.cross(forward, _UP) * (-1.0 if side == "left" else 1.0)
    outwards *= np.sign(outwards @ (hip - posed.joints["pelvis"])) or 1.0
    axes = np.stack([forward, _UP, np.cross(forward, _UP)])
    box, faces = rounded_box(size_m)
    centre = hip + 0.13 * outwards + (drop_m - 0.5 * size_m[1]) * _UP
    points = centre + box @ axes
    under = Collider.of(posed, ~np.isin(posed.rest.parts, ARM_PARTS))
    shift = _clear(points, under)
    bag_top = centre + shift + 0.5 * size_m[1] * _UP
    other: Side = "right" if side == "left" else "left"
    shoulder = 0.55 * posed.joints[f"{other if across else side}_shoulder"] + 0.45 * posed.joints["neck"]
    strap = taut_strap(posed, shoulder, bag_top, forward)
    return [Sheet("bag", "bag", points + shift, box, faces), *strap]


def backpack(posed: PosedBody, size_m: Float[np.ndarray, "3"]) -> list[Sheet]:
    """A backpack with two straps; size: width, height and depth in metres."""
    rest = posed.rest
    top = rest.joints["neck"][1] - 0.06
    trunk = np.isin(rest.parts, _TRUNK) & (rest.vertices[:, 1] > top - size_m[1]) & (rest.vertices[:, 1] < top)
    back = posed.surface_rest[trunk & (np.abs(rest.vertices[:, 0]) < 0.1), 2].min()
    box, faces = rounded_box(size_m)
    points = box + (0.0, top - 0.5 * size_m[1], back - 0.5 * size_m[2] - 0.004)
    parts = tuple(SMPL_24.index(name) for name in ("spine2", "spine3"))
    forward_rest = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    zero, front, up = posed.motion(forward_rest, parts)
    pieces = [Sheet("bag", "bag", posed.motion(points, parts), points, faces)]
    for sign in (-1.0, 1.0):
        ends = np.array([[sign * 0.085, rest.joints["neck"][1], 0.0], [sign * 0.085, top - 0.8 * size_m[1], back]])
        shoulder, low = posed.motion(ends, parts)
        pieces += taut_strap(posed, shoulder, low, front - zero, up=up - zero)
    return pieces


def taut_strap(
    posed: PosedBody,
    shoulder: Float[np.ndarray, "3"],
    bag: Float[np.ndarray, "3"],
    forward: Float[np.ndarray, "3"],
    up: Float[np.ndarray, "3"] = _UP,
) -> list[Sheet]:
    """A strap over the shoulder to a bag, in front and behind: the convex hull of the trunk's cut and the bag.

    Args:
        posed: Posed body and what it wears.
        shoulder: Point of the shoulder that the strap passes over.
        bag: Point at which both ends are fixed.
        forward: Direction in which the person's trunk faces.
        up: Direction from the bag to the shoulder, roughly.
    """
    down = bag - shoulder
    down = down / np.linalg.norm(down)
    front = forward - (forward @ down) * down
    front = front / np.linalg.norm(front)
    across = np.cross(down, front)
    trunk = posed.surface[np.isin(posed.rest.parts, _TRUNK)]
    local = trunk - shoulder
    near = (np.abs(local @ across) < 0.025) & (local @ down < (bag - shoulder) @ down) & (local @ up < 0.2)
    plane = np.stack([local[near] @ down, local[near] @ front], axis=1)
    if len(plane) < 3:
        return []
    plane = plane + 0.012 * np.stack([-np.ones(len(plane)), np.sign(plane[:, 1] - plane[:, 1].mean())], axis=1)
    plane = np.concatenate([plane, [[(bag - shoulder) @ down, (bag - shoulder) @ front]]])
    loop = plane[ConvexHull(plane).vertices]
    points = shoulder + loop[:, :1] * down + loop[:, 1:] * front
    points = np.concatenate([points, points[:1]])
    return [_ribbon(points, across, STRAP_M)]


def rounded_box(size_m: Float[np.ndarray, "3"]) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "m 3"]]:
    """Vertices around the origin and faces of a box with rounded edges (a superellipsoid) of three sides in metres."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, 15), np.arange(28) * (2 * np.pi / 28), indexing="ij")

    def power(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** 0.35

    ball = [power(np.sin(theta)) * power(np.cos(phi)), power(np.cos(theta)), power(np.sin(theta)) * power(np.sin(phi))]
    return 0.5 * np.stack(ball, axis=-1).reshape(-1, 3) * size_m, grid_faces(15, 28, True)


def _heading(posed: PosedBody) -> np.ndarray:
    """Horizontal direction in which the pelvis faces."""
    side = posed.joints["left_hip"] - posed.joints["right_hip"]
    forward = np.cross(side, _UP)
    return forward / np.linalg.norm(forward).clip(1e-6)


def _clear(points: np.ndarray, under: Collider) -> np.ndarray:
    """Horizontal shift that brings a rigid thing out of the surface underneath."""
    shift = np.zeros(3)
    for _ in range(12):
        depth = under.depth(points + shift)
        worst = int(np.argmax(depth))
        if depth[worst] < 0.004:
            break
        moved = under.push_out((points + shift)[worst][None], times=1)[0] - (points + shift)[worst]
        moved[1] = 0.0
        shift += 1.1 * moved
    return shift


def _ribbon(path: np.ndarray, across: np.ndarray, width_m: float) -> Sheet:
    """A flat band along a polyline."""
    half = 0.5 * width_m * across / np.linalg.norm(across)
    points = np.stack([path - half, path + half], axis=1)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    cloth = np.stack(np.broadcast_arrays(np.array([-half[0], half[0]])[None], along[:, None], 0.0), axis=-1)
    return Sheet("bag", "bag", points.reshape(-1, 3), cloth.reshape(-1, 3), grid_faces(len(path), 2, False))


def _seam(rows: int, columns: int) -> np.ndarray:
    """Triangles that join the last row of a grid that is closed along its columns to the first."""
    a = (rows - 1) * columns + np.arange(columns)
    b = (rows - 1) * columns + (np.arange(columns) + 1) % columns
    c, d = np.arange(columns), (np.arange(columns) + 1) % columns
    return np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)])
