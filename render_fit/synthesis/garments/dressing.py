"""Dresses a posed person: layers on the skin, hanging garments, hair and accessories as one mesh with labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.parts import PartSpace
from render_fit.core.rotations import roma
from render_fit.core.skeletons import SMPL_24
from render_fit.synthesis.garments.accessories import Side, backpack, brim, handbag, heel, scarf, shoulder_bag, toe_box
from render_fit.synthesis.garments.cutting import Garment, RestBody, vertex_normals
from render_fit.synthesis.garments.hair import bun, loose_hair, ponytail
from render_fit.synthesis.garments.hanging import Tube, covered_by_tube, hanging_tube
from render_fit.synthesis.garments.items import hair, hat_crown, hat_line, shirt, shoes, trousers
from render_fit.synthesis.garments.labels import labels_of_faces
from render_fit.synthesis.garments.outfits import Layers, pose_garment, pose_layers, rest_body
from render_fit.synthesis.garments.sheets import PosedBody, Sheet
from render_fit.synthesis.garments.wardrobe import Clothes

TIGHT_M = 0.012
"""Largest distance of tight shirts and trousers from the body, metres; set by hand."""

HIDDEN_M = 0.12
"""The body is left out where a closed skirt covers it further than this from its edges, metres."""


@dataclass(frozen=True)
class DressedPerson:
    """A posed person with everything that is worn.

    Attributes:
        clothes: What is worn.
        rest: The resting body.
        layers: Body and clothes as one mesh, camera coordinates.
        kinds: Kind of each layer, see `labels.LABELS`; layers from ``skin`` on, in the order of ``layers.materials``.
    """

    clothes: Clothes
    rest: RestBody
    layers: Layers
    kinds: tuple[str, ...]

    def face_labels(self, space: PartSpace) -> Int[np.ndarray, "m"]:
        """(M,) label of each face in a label space with clothing (ATR, LIP)."""
        return labels_of_faces(self.kinds, self.layers.face_layers, self.layers.face_parts, space)

    @property
    def is_bag(self) -> Bool[np.ndarray, "m"]:
        """(M,) faces of bags and their straps."""
        return np.array([kind == "bag" for kind in self.kinds])[self.layers.face_layers]


def heel_tilt(heel_m: float) -> float:
    """Angle by which a heel of a height in metres flexes the ankle, radians: heel to ball of the foot is 15 cm."""
    return math.asin(min(heel_m / 0.15, 0.8))


def pose_with_heels(pose: Float[Tensor, "24 3"], heel_m: float) -> Float[Tensor, "24 3"]:
    """A pose with ankles plantar-flexed and toes bent back by heels of a height in metres."""
    rotations, tilt = roma.rotvec_to_rotmat(pose), heel_tilt(heel_m)
    for side in ("left", "right"):
        for joint, angle in (("ankle", tilt), ("foot", -tilt)):
            index = SMPL_24.index(f"{side}_{joint}")
            turn = roma.rotvec_to_rotmat(pose.new_tensor([angle, 0.0, 0.0]))
            rotations[index] = rotations[index] @ turn
    return roma.rotmat_to_rotvec(rotations)


@torch.no_grad()
def dress(
    body: Body, parameters: BodyParameters, clothes: Clothes, upright_to_camera: Float[np.ndarray, "3 3"]
) -> DressedPerson:
    """Dresses a person.

    Args:
        body: Body model whose landmarks include eyes and ears, as those of the open body do.
        parameters: One body in camera coordinates, without clothing; with heels, of `pose_with_heels`.
        clothes: What is worn.
        upright_to_camera: (3, 3) rotation from upright axes (y up) to the camera's.
    """
    rng = np.random.default_rng(clothes.seed)
    rest = rest_body(body, parameters)
    garments, tubes = _garments(rest, clothes, rng)
    output = body(parameters)
    bare = output.vertices[0].numpy().astype(np.float64)
    surface, surface_rest = bare.copy(), rest.vertices.copy()
    for garment in garments:
        on = garment.inside > 0
        surface[on] = pose_garment(body, parameters, garment.offsets)[on]
        surface_rest[on] = (rest.vertices + garment.offsets)[on]
    joints = output.joints[0].numpy().astype(np.float64) @ upright_to_camera
    posed = PosedBody(
        rest, bare @ upright_to_camera, surface @ upright_to_camera, surface_rest,
        dict(zip(SMPL_24.joints, joints, strict=True)),
    )  # fmt: skip
    covered = np.full(len(bare), -1.0)
    for kind, cut in tubes:
        tube = hanging_tube(posed, cut, kind, kind, rng)
        posed = replace(posed, sheets=(*posed.sheets, tube))
        if cut.gap_rad is None:
            covered = np.maximum(covered, covered_by_tube(posed, cut) - HIDDEN_M)
    sheets = [*posed.sheets, *_hair(posed, clothes, rng), *_accessories(posed, clothes, rng)]
    layers = pose_layers(body, parameters, rest, garments, covered)
    kinds = ("skin", *("shoe" if one.material == "shoes" else one.material for one in garments))
    layers = _with_sheets(layers, sheets, upright_to_camera)
    return DressedPerson(clothes, rest, layers, (*kinds, *(sheet.kind for sheet in sheets)))


def _garments(
    rest: RestBody, clothes: Clothes, rng: np.random.Generator
) -> tuple[tuple[Garment, ...], list[tuple[str, Tube]]]:
    """Layers on the skin from inner to outer, and the cuts of the tubes that hang from the waist."""
    hip, knee, ankle = (float(rest.joints[f"left_{name}"][1]) for name in ("hip", "knee", "ankle"))

    def hem(low: float, high: float) -> float:
        """Height between the ankle (2), the knee (1) and the crotch (0)."""
        return float(np.interp(rng.uniform(low, high), (0, 1, 2), (hip - 0.12, knee, ankle)))

    layers: list[Garment] = []
    tubes: list[tuple[str, Tube]] = []
    seed = clothes.seed % 2**30
    sleeve = float(rng.choice([0.3, 0.7, 1.3, 2.0]))
    looseness = float(rng.uniform(0.012, 0.045))
    if clothes.bottom in ("trousers", "shorts"):
        length = rng.uniform(0.6, 1.0) if clothes.bottom == "shorts" else rng.choice([1.8, 2.0, 2.0])
        wide = rng.uniform(0.025, 0.06) if clothes.wide else 0.0
        away = float(rng.uniform(0.006, 0.03))
        if clothes.tight:
            away, looseness = min(away, TIGHT_M), min(looseness, TIGHT_M)
        layers.append(trousers(rest, float(length), away, seed, wide))
        outside, below = rng.random() < 0.5 and not clothes.tight, float(rng.uniform(-0.12, -0.05))
        layers.append(shirt(rest, sleeve, looseness, seed + 1, layers[0], below_hips_m=-0.03 if outside else below,
                            neckline_m=rng.uniform(0, 0.08)))  # fmt: skip
        if outside:
            tubes.append(("shirt", Tube(hip + 0.07, hip - rng.uniform(0.03, 0.16), 0.01, 0.06, 0.008, 5)))
    else:
        flare = float(rng.choice([-0.04, 0.03, 0.10, 0.18, 0.30]))
        fold = 0.004 if flare < 0.05 else float(rng.uniform(0.01, 0.03))
        top = hip + 0.13
        layers.append(replace(trousers(rest, 0.0, 0.0, seed), material=clothes.bottom))
        layers.append(shirt(
            rest, sleeve, 0.5 * looseness, seed + 1, None, neckline_m=rng.uniform(0, 0.1),
            material="dress" if clothes.bottom == "dress" else "shirt", below_hips_m=-0.06,
        ))  # fmt: skip
        lower = hem(0.3, 1.8)
        flare *= min(1.0, 0.45 / (top - lower))  # the widest skirts are short
        cut = Tube(top, lower, 0.012, flare, fold, int(rng.integers(6, 11)))
        tubes.append((clothes.bottom, cut))
    if clothes.outerwear != "none":
        gap = float(rng.uniform(0.04, 0.09)) if clothes.open else None
        layers.append(shirt(rest, 2.0, rng.uniform(0.03, 0.055), seed + 2, layers[-1], material="coat",
                            below_hips_m=-0.08, gap_m=gap))  # fmt: skip
        lower = hem(0.2, 1.5) if clothes.outerwear == "coat" else hip - rng.uniform(-0.02, 0.10)
        opening = None if gap is None else (gap / 0.16, gap / 0.16 + rng.uniform(0.0, 0.5) * (hip + 0.16 - lower))
        flare = rng.uniform(0.02, 0.15) if clothes.outerwear == "coat" else 0.0
        tubes.append(("coat", Tube(hip + 0.16, lower, 0.015, flare, 0.008, int(rng.integers(4, 7)), opening)))
    layers.append(shoes(rest, seed + 3, smoothing=25, sole_m=0.012))
    volume = rng.uniform(0.006, 0.02) if clothes.hair != "short" or rng.random() < 0.85 else rng.uniform(0.03, 0.07)
    layers.append(hair(rest, 0.006 if clothes.hat != "none" else volume, seed + 4))
    if clothes.hat != "none":
        layers.append(hat_crown(rest, rng.uniform(0.012, 0.02), seed + 5, layers[-1]))
    return tuple(layers), tubes


def _hair(posed: PosedBody, clothes: Clothes, rng: np.random.Generator) -> list[Sheet]:
    if clothes.hair == "bob":
        return [loose_hair(posed, rng.uniform(0.09, 0.17), rng.uniform(0.005, 0.03), rng)]
    if clothes.hair == "long":
        return [loose_hair(posed, rng.uniform(0.22, 0.5), rng.uniform(0.0, 0.02), rng)]
    high = bool(rng.random() < 0.4) and clothes.hat == "none"
    if clothes.hair == "ponytail":
        return [ponytail(posed, rng.uniform(0.18, 0.4), high, rng)]
    return [bun(posed, rng.uniform(0.035, 0.05), high)] if clothes.hair == "bun" else []


def _accessories(posed: PosedBody, clothes: Clothes, rng: np.random.Generator) -> list[Sheet]:
    pieces: list[Sheet] = []
    sides: tuple[Side, Side] = ("left", "right")
    if clothes.hat in ("cap", "brimmed"):
        width = 0.07 if clothes.hat == "cap" else rng.uniform(0.05, 0.10)
        pieces.append(brim(posed, hat_line(posed.rest) + 0.005, width, clothes.hat == "cap"))
    if clothes.scarf:
        pieces += scarf(posed, rng.uniform(0.028, 0.045), float(rng.choice([0.0, 0.3, 0.5])), rng)
    pieces += [toe_box(posed, side) for side in sides]
    if clothes.heel_m > 0:
        pieces += [heel(posed, side, clothes.heel_m, heel_tilt(clothes.heel_m)) for side in sides]
    side = sides[int(rng.integers(2))]
    size = np.array([rng.uniform(0.22, 0.36), rng.uniform(0.16, 0.30), rng.uniform(0.07, 0.13)])
    if clothes.bag == "hand":
        pieces += handbag(posed, size * (1.0, 1.2, 1.0), rng.uniform(0.08, 0.22))
    elif clothes.bag in ("shoulder", "across"):
        pieces += shoulder_bag(posed, size, side, clothes.bag == "across", rng.uniform(0.0, 0.14))
    elif clothes.bag == "backpack":
        pieces += backpack(posed, np.array([rng.uniform(0.26, 0.32), rng.uniform(0.36, 0.46), rng.uniform(0.12, 0.2)]))
    return pieces


def _with_sheets(layers: Layers, sheets: list[Sheet], upright_to_camera: np.ndarray) -> Layers:
    """Layers with the sheets added, both sides of each."""
    vertices, rests, normals = [layers.vertices_camera], [layers.vertices_rest], [layers.normals]
    faces, numbers, parts = [layers.faces], [layers.face_layers], [layers.face_parts]
    start, materials = len(layers.vertices_camera), list(layers.materials)
    for sheet in sheets:
        own = vertex_normals(sheet.vertices, sheet.faces) @ upright_to_camera.T
        count = len(sheet.vertices)
        vertices += [sheet.vertices @ upright_to_camera.T] * 2
        rests += [sheet.vertices_rest] * 2
        normals += [own, -own]
        faces += [sheet.faces + start, sheet.faces[:, ::-1] + start + count]
        numbers.append(np.full(2 * len(sheet.faces), len(materials)))
        parts.append(np.full(2 * len(sheet.faces), sheet.part))
        materials.append(sheet.material)
        start += 2 * count
    return Layers(
        np.concatenate(vertices), np.concatenate(rests), np.concatenate(normals), np.concatenate(faces),
        tuple(materials), np.concatenate(numbers), np.concatenate(parts),
    )  # fmt: skip
