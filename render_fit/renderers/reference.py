"""Reference renderer: every output by its definition, in plain torch, float64, over all faces and all edges.

For tiny meshes and images: memory grows with pixels × faces and edges × edges × faces. Faces in general position
are assumed (no two edges on one line).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from render_fit.core.cameras import Camera
from render_fit.core.parts import N_PARTS
from render_fit.renderers.base import NEAR_M, RenderOutput, RenderSettings, check_inputs, hard_normals
from render_fit.renderers.kernels.triangle_distance import NO_AREA_PX2

HAIR_PX = 1e-6
# Distance beside the middle of a piece of edge at which coverage is tested, pixels.

LEAST_CROSSING = 0.1
# Sine of the angle between two edges below which their crossing is assumed to move with the first edge alone.

TIE_PX2 = 1e-9
# Squared distances this close count as equal, pixels².


class ReferenceRenderer:
    """Renderer of every output by its definition. Follows ``Renderer``; computes in float64 for inputs of any dtype."""

    name = "reference"

    def __call__(
        self,
        vertices_camera: Float[Tensor, "b v 3"],
        faces: Int64[Tensor, "f 3"],
        camera: Camera,
        settings: RenderSettings,
        *,
        face_parts: Int64[Tensor, "f"] | None = None,
        outputs: Sequence[str] = ("silhouette",),
    ) -> RenderOutput:
        """Render a batch of meshes; see ``Renderer``."""
        camera = check_inputs(vertices_camera, faces, camera, face_parts, outputs)
        exact = vertices_camera.double()
        xy = camera.to(torch.float64).project(exact)
        near = (exact[..., 2] < NEAR_M) | ~torch.isfinite(xy).all(-1)
        rows, columns = torch.meshgrid(
            torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij"
        )
        pixels = torch.stack([columns, rows], -1).reshape(-1, 2).double()
        drawn: dict[str, list[Tensor]] = {name: [] for name in outputs}
        for b in range(len(exact)):
            kept = (~near[b, faces].any(-1)).nonzero()[:, 0]
            one = _render_one(
                xy[b], exact[b, :, 2], faces[kept], None if face_parts is None else face_parts[kept], pixels, settings
            )
            face_index = torch.where(
                one["face_index"] >= 0, kept[one["face_index"].clamp(min=0)] if len(kept) else -1, -1
            )
            for name in outputs:
                if name == "normals":
                    seen = face_index.reshape(1, camera.height, camera.width)
                    drawn[name].append(hard_normals(exact[b : b + 1], faces, seen)[0])
                else:
                    value = face_index if name == "face_index" else one[name].to(vertices_camera.dtype)
                    drawn[name].append(value.reshape(*value.shape[:-1], camera.height, camera.width))
        pictures: dict[str, Any] = {name: torch.stack(images) for name, images in drawn.items()}
        return RenderOutput(**pictures)


def _render_one(
    xy: Tensor, z: Tensor, faces: Tensor, parts: Tensor | None, pixels: Tensor, settings: RenderSettings
) -> dict[str, Tensor]:
    """All outputs except normals of one image with N pixels, flat: (N,), parts (24, N)."""
    n_pixels = len(pixels)
    if len(faces) == 0:
        nothing = xy.sum() * 0 + pixels.new_zeros(n_pixels)
        empty = torch.full((n_pixels,), -1)
        return {
            "silhouette": nothing, "parts": nothing.expand(N_PARTS, -1), "depth": nothing, "face_index": empty
        }  # fmt: skip
    inside, holds, distance2, depth, clipped_depth = _pairs(pixels, xy, z, faces)
    nearest = torch.where(holds, depth, torch.inf).argmin(1)
    covered = holds.any(1)
    face_index = torch.where(covered, nearest, -1)
    result = {"face_index": face_index}
    result["depth"] = torch.where(covered, depth.gather(1, nearest[:, None])[:, 0], 0.0)
    signed2 = torch.where(inside, distance2, -distance2)
    owner = torch.full_like(nearest, -1)
    if settings.silhouette == "contour":
        distance, owner = _distance_to_outline(pixels, xy, faces)
        soft = distance < settings.contour_radius_px
        signed = torch.where(covered, distance, -distance)
        alpha = torch.where(soft, torch.sigmoid(signed / settings.sigma_px), covered.double())
        owner = torch.where(soft, owner, -1)
    else:
        within = inside | (distance2 <= settings.softras_radius_px**2)
        log_clear = -functional.softplus(signed2 / settings.sigma_px**2)
        alpha = 1 - torch.where(within, log_clear, 0.0).sum(1).exp()
        beside = torch.where(within & ~covered[:, None], distance2, torch.inf)
        first = (beside <= beside.amin(1, keepdim=True) + TIE_PX2).double().argmax(1)
        owner = torch.where(beside.isfinite().any(1), first, -1)
    result["silhouette"] = alpha
    if parts is not None and settings.part_borders == "contour":
        own = parts[torch.where(covered, nearest, owner.clamp(min=0))]
        share = _shares_by_border(pixels, xy, z, faces, parts, own, settings)
        share = share * (covered | (owner >= 0))[:, None]
        result["parts"] = (alpha[:, None] * share).T
    elif parts is not None:
        share = _shares_by_depth(inside, signed2, clipped_depth, owner, parts, settings)
        result["parts"] = (alpha[:, None] * share).T
    return result


def _shares_by_depth(
    inside: Tensor, signed2: Tensor, depth: Tensor, owner: Tensor, parts: Tensor, settings: RenderSettings
) -> Tensor:
    """Part shares (N, 24): softmax over all faces in reach; where there is none, the part of the nearest has all."""
    within = inside | (-signed2 <= settings.part_radius_px**2)
    log_cover = functional.logsigmoid(signed2 / settings.resolved_part_sigma_px**2)
    logits = torch.where(within, log_cover - depth / settings.gamma_m, -torch.inf)
    alone = ~within.any(1)
    one_hot = functional.one_hot(parts, N_PARTS).double()
    share = torch.where(alone[:, None], 0.0, logits).softmax(1) @ one_hot
    return torch.where(alone[:, None], one_hot[owner.clamp(min=0)] * (owner >= 0)[:, None], share)


def _shares_by_border(
    pixels: Tensor, xy: Tensor, z: Tensor, faces: Tensor, parts: Tensor, own: Tensor, settings: RenderSettings
) -> Tensor:
    """Part shares (N, 24): sigmoid(d / σ) for the pixel's own part, the rest for that beyond the nearest border."""
    with torch.no_grad():
        edge, _, span, cut_by, left, right = _cut_edges(xy, faces)
        sides = torch.stack([_part_at(points, xy, z, faces, parts) for points in (left, right)], 1)
        kept = (sides[:, 0] != sides[:, 1]) & (sides >= 0).all(1)
        edge, span, cut_by, sides = edge[kept], span[kept], cut_by[kept], sides[kept]
    share = functional.one_hot(own, N_PARTS).double()
    if len(edge) == 0:
        return share
    distance, ties = _nearest_piece(pixels, xy, edge, span, cut_by)
    # Order where pieces meet: those with the pixel's own part first, then by the pair of parts.
    pair = sides.amin(1) * N_PARTS + sides.amax(1)
    strange = (sides[None] != own[:, None, None]).all(-1)
    name = torch.where(ties, pair + N_PARTS**2 * strange, 2 * N_PARTS**2).amin(1)
    first, second = name // N_PARTS, name % N_PARTS
    other = torch.where(own == first, second, torch.where(own == second, first, own))
    other = torch.where(name < N_PARTS**2, other, own)
    tells = (distance < settings.part_radius_px) & (other != own)
    keep = torch.where(tells, torch.sigmoid(distance / settings.resolved_part_sigma_px), 1.0)
    beyond = functional.one_hot(other, N_PARTS).double()
    return share * keep[:, None] + beyond * (1 - keep[:, None])


def _part_at(points: Tensor, xy: Tensor, z: Tensor, faces: Tensor, parts: Tensor) -> Tensor:
    """Part of the nearest face at each point, −1 where there is none."""
    inside, _, _, depth, _ = _pairs(points, xy, z, faces)
    return torch.where(inside.any(1), parts[torch.where(inside, depth, torch.inf).argmin(1)], -1)


def _pairs(pixels: Tensor, xy: Tensor, z: Tensor, faces: Tensor) -> tuple[Tensor, ...]:
    """Relations of every pixel to every face, (N, F) each.

    Whether inside; whether inside or on the border of a face with area; squared distance to the nearest side, pixels²;
    depth at covered pixel centres, metres; depth for the softmax, at all pixel centres, metres.
    """
    corner = xy[faces]
    p = pixels[:, None, None]
    a, b = corner[None], corner.roll(-1, 1)[None]
    edge = b - a
    t = (((p - a) * edge).sum(-1) / edge.square().sum(-1).clamp(min=1e-30)).clamp(0, 1)
    off = p - a - t[..., None] * edge
    distance2 = off.square().sum(-1).amin(-1)
    turn = edge[..., 0] * (p - a)[..., 1] - edge[..., 1] * (p - a)[..., 0]
    inside = (turn > 0).all(-1) | (turn < 0).all(-1)
    holds = ((turn >= 0).all(-1) | (turn <= 0).all(-1)) & (turn != 0).any(-1)
    # `turn` of side k is twice the area of the sub-triangle opposite to corner k − 1.
    turn = turn.roll(-1, -1)
    share = turn / torch.where(holds, turn.sum(-1), 1.0)[..., None]
    inverse = 1 / torch.where(z[faces] > 0, z[faces], 1.0)
    depth = 1 / torch.where(holds, (share * inverse).sum(-1), 1.0)
    return inside, holds, distance2, depth, _clipped_depth(turn, corner, z[faces])


def _clipped_depth(turn: Tensor, corner: Tensor, z: Tensor) -> Tensor:
    """Σ b z (N, F) with PyTorch3D's b: barycentric coordinates, affine on the image, clipped at 0 and normalised.

    Without perspective: outside a face seen edge-on the perspective-corrected coordinates grow without bounds and
    change sign. A face without area has the mean of its corners' depths.
    """
    side, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = side[:, 0] * other[:, 1] - side[:, 1] * other[:, 0]
    # Without the area's magnitude: it cancels in the normalisation.
    clipped = (turn * area.sign()[:, None]).clamp(min=0)
    clipped = torch.where((area.abs() <= NO_AREA_PX2)[:, None], 1.0, clipped)
    return (clipped * z).sum(-1) / clipped.sum(-1)


def _covers(points: Tensor, corner: Tensor) -> Tensor:
    """Whether each point (N, 2) is inside any triangle (F, 3, 2)."""
    to_corner = corner[None] - points[:, None, None]
    following = to_corner.roll(-1, 2)
    turn = to_corner[..., 0] * following[..., 1] - to_corner[..., 1] * following[..., 0]
    return ((turn > 0).all(-1) | (turn < 0).all(-1)).any(1)


def _distance_to_outline(pixels: Tensor, xy: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Distance (N,) to the outline of the union of all faces, differentiable, and a face (N,) at that point.

    The outline is made of the pieces of mesh edges with faces on exactly one side.
    """
    with torch.no_grad():
        edge, face, span, cut_by, left, right = _cut_edges(xy, faces)
        kept = _covers(left, xy[faces]) != _covers(right, xy[faces])
        edge, face, span, cut_by = edge[kept], face[kept], span[kept], cut_by[kept]
        if len(edge) == 0:
            return pixels.new_full((len(pixels),), torch.inf), torch.full((len(pixels),), -1)
    distance, ties = _nearest_piece(pixels, xy, edge, span, cut_by)
    # Where a corner is nearest, two pieces are equally near up to rounding: the first of their faces is used.
    return distance, torch.where(ties, face, len(faces)).amin(1)


def _nearest_piece(pixels: Tensor, xy: Tensor, edge: Tensor, span: Tensor, cut_by: Tensor) -> tuple[Tensor, Tensor]:
    """Distance (N,) to the nearest of M pieces, differentiable; and whether each piece is that near (N, M)."""
    with torch.no_grad():
        ends = xy[edge]
        start = ends[:, 0] + span[:, :1] * (ends[:, 1] - ends[:, 0])
        end = ends[:, 0] + span[:, 1:] * (ends[:, 1] - ends[:, 0])
        distance = _distance(pixels[:, None], start[None], end[None])
        k = distance.argmin(1)
        ties = distance.square() < distance.gather(1, k[:, None]).square() + TIE_PX2
    start = _place(xy, edge[k], span[k, 0], cut_by[k, 0])
    end = _place(xy, edge[k], span[k, 1], cut_by[k, 1])
    return _distance(pixels, start, end), ties


def _distance(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
    t = (((p - a) * (b - a)).sum(-1) / (b - a).square().sum(-1).clamp(min=1e-30)).clamp(0, 1)
    off2 = (p - a - t[..., None] * (b - a)).square().sum(-1)
    return torch.where(off2 > 0, torch.where(off2 > 0, off2, 1.0).sqrt(), 0.0)


def _place(xy: Tensor, edge: Tensor, t: Tensor, cut_by: Tensor) -> Tensor:
    """End points of pieces: fixed on their own edge, or where the cutting edge (its two vertices, or −1) crosses it."""
    a, d = xy[edge[:, 0]], xy[edge[:, 1]] - xy[edge[:, 0]]
    c, e = xy[cut_by[:, 0].clamp(min=0)], xy[cut_by[:, 1].clamp(min=0)] - xy[cut_by[:, 0].clamp(min=0)]
    turn = d[:, 0] * e[:, 1] - d[:, 1] * e[:, 0]
    steep = turn.abs() >= LEAST_CROSSING * d.norm(dim=1) * e.norm(dim=1)
    moves = (cut_by[:, 0] >= 0) & steep
    o = c - a
    crossing = (o[:, 0] * e[:, 1] - o[:, 1] * e[:, 0]) / torch.where(moves, turn, 1.0)
    return a + torch.where(moves, crossing, t)[:, None] * d


def _cut_edges(xy: Tensor, faces: Tensor) -> tuple[Tensor, ...]:
    """Pieces of all mesh edges, each cut wherever any other edge crosses it.

    Returns:
        (M, 2) vertices of the edge; (M,) its first face; (M, 2) parameters of the piece's start and end along
        the edge; (M, 2, 2) vertices of the edges that cut the start and the end, −1 where the edge itself ends;
        (M, 2) and (M, 2) points just beside its middle, one on either side.
    """
    sides = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(1).values
    edges, of_side = sides.unique(dim=0, return_inverse=True)
    face = torch.full((len(edges),), len(faces)).scatter_reduce(0, of_side, torch.arange(len(faces)).repeat(3), "amin")
    a, d = xy[edges[:, 0]], xy[edges[:, 1]] - xy[edges[:, 0]]
    turn = d[:, None, 0] * d[None, :, 1] - d[:, None, 1] * d[None, :, 0]
    o = a[None] - a[:, None]
    t = (o[..., 0] * d[None, :, 1] - o[..., 1] * d[None, :, 0]) / turn
    s = (o[..., 0] * d[:, None, 1] - o[..., 1] * d[:, None, 0]) / turn
    shares = (edges[:, None, :, None] == edges[None, :, None, :]).any(-1).any(-1)
    crosses = (t > 0) & (t < 1) & (s > 0) & (s < 1) & ~shares
    own, other = crosses.nonzero(as_tuple=True)
    every, none = torch.arange(len(edges)), torch.full((len(edges),), -1)
    # Each edge begins at 0, is cut in between, and ends at 1; a piece lies between two consecutive parameters.
    at = torch.cat([torch.zeros(len(edges)).double(), t[own, other], torch.ones(len(edges)).double()])
    on = torch.cat([every, own, every])
    by = torch.cat([none, other, none])
    order = at.argsort(stable=True)
    order = order[on[order].argsort(stable=True)]
    at, on, by = at[order], on[order], by[order]
    k = (on[1:] == on[:-1]).nonzero()[:, 0]
    e = on[k]
    span = torch.stack([at[k], at[k + 1]], 1)
    cutter = torch.stack([by[k], by[k + 1]], 1)
    cut_by = torch.where(cutter[..., None] >= 0, edges[cutter.clamp(min=0)], -1)
    length = d[e].norm(dim=1)
    normal = torch.stack([d[e, 1], -d[e, 0]], 1) / length.clamp(min=1e-30)[:, None]
    middle = a[e] + span.mean(1, keepdim=True) * d[e]
    kept = (span[:, 1] - span[:, 0]) * length > 1e-9
    left, right = middle + HAIR_PX * normal, middle - HAIR_PX * normal
    return edges[e[kept]], face[e[kept]], span[kept], cut_by[kept], left[kept], right[kept]
