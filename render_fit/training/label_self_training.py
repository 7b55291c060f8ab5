"""Self-training of the decoder of clothing labels on photos: a fit says which of its own labels can be right.

Nobody has labelled the photos. The decoder labels them (the teacher: the mean over zooms, brightnesses and mirror
images), and a label teaches where the fitted body, the mask and the teacher's confidence agree: hair near the head,
shoes at the feet, one kind of garment on the legs, arms and legs on their own side, bags beside the body.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.parameters import BodyParameters
from render_fit.core.errors import InputError
from render_fit.core.parts import N_PARTS
from render_fit.core.skeletons import SMPL_24
from render_fit.observations import observe
from render_fit.observations.blazepose.clothing import SPACE, ClothingFeatures
from render_fit.observations.blazepose.clothing_observer import ZOOM, clothing_view
from render_fit.observations.blazepose.observer import BlazePoseObserver
from render_fit.observations.blazepose.passes import Pyramid, View
from render_fit.observations.blazepose.regions import Regions
from render_fit.renderers import make_renderer
from render_fit.renderers.base import RenderSettings
from render_fit.training.clothing_labels import IGNORED, STRIDE
from render_fit.training.fitting_in_the_loop import BestFits

SIDE = 64
"""Cells along a side of the decoder's map."""

VARIANTS = ((ZOOM, 1.0), (0.9 * ZOOM, 0.85), (1.12 * ZOOM, 1.2))
"""Zoom and brightness of each crop of a photo."""

LEAST_SHARE = 0.008
"""P(label | part) of `core.parts` from which a part can bear a label: all that the label space claims, such as hair
on the chest, and none of its outliers."""

BESIDE = ("hat", "hair", "upper-clothes", "skirt", "dress", "pants", "bag", "scarf", "left-shoe", "right-shoe")
"""Labels beside the fitted body, where clothes and hair stand off from it, beside those of the nearest part."""

INSIDE, OUTSIDE = 0.7, 0.3
"""Share of a cell that the mask covers, from which on it is the person's, and up to which it is not."""

FAR = 8.0
"""Distance from the fitted body up to which a cell of the mask can teach, in cells: about 25 cm."""

SURE = 0.8
"""The teacher's probability of a label, among those that are possible, from which on it teaches."""

LEAST_POSSIBLE = 0.3
"""The teacher's probability of all possible labels together under which the cell teaches nothing."""

GARMENTS_ON_LEGS = ("pants", "skirt", "dress")
"""Garments of which a person wears one."""

ONE_GARMENT = 0.6
"""Share of trousers on the legs, or else of skirt and dress, from which on the other is impossible; so is skirt or
dress if the other one has this share of both. Below, each cell decides."""


@dataclass(frozen=True)
class CellEvidence:
    """What mask and fit say of the cells of V crops of one photo.

    Attributes:
        mask: (V, 64, 64) share of the cell that the observed mask covers.
        parts: (V, 64, 64) SMPL part that the cell shows or, beside the body, the nearest one.
        distance: (V, 64, 64) distance from the fitted body without clothes, in cells; 0 on it.
    """

    mask: Float[Tensor, "v 64 64"]
    parts: Int64[Tensor, "v 64 64"]
    distance: Float[Tensor, "v 64 64"]


@dataclass(frozen=True)
class PhotoCrops:
    """Crops of one photo, one for each of `VARIANTS`.

    Attributes:
        features: Features of the V crops and, after those, of their mirror images.
        side: (V,) sides of the crops, which have one centre, pixels.
        evidence: What mask and fit say of the crops.
    """

    features: ClothingFeatures
    side: Float[Tensor, "v"]
    evidence: CellEvidence


def photo_crops(photos: Sequence[Path], fits: BestFits, body: Body) -> list[PhotoCrops]:
    """Crops of the largest person in each photo whose fit is ok.

    Args:
        photos: P photos.
        fits: Their finished fits (`pseudo_labels.fitted_photos`).
        body: Body of the fits.
    """
    observer = BlazePoseObserver()
    fitted = [number for number in range(len(photos)) if bool(fits.value[number].isfinite())]
    return [_photo(photos[number], fits[number : number + 1], body, observer) for number in fitted]


@torch.no_grad()
def _photo(path: Path, fit: BestFits, body: Body, observer: BlazePoseObserver) -> PhotoCrops:
    (seen,) = observe(path, observer=observer)
    assert seen.image is not None and seen.mask is not None and seen.camera is not None
    target = observer.see(seen.image).target
    views = [clothing_view(target, zoom) for zoom, _ in VARIANTS]
    regions = Regions.joined([view.regions for view in views])
    lit = [
        View(Pyramid((seen.image * bright).clamp(max=1)), view.regions, view.visible)
        for view, (_, bright) in zip(views, VARIANTS, strict=True)
    ]
    features = [observer.clothing_features(view) for view in lit]
    ordered = [one[row : row + 1] for row in range(2) for one in features]
    parameters = BodyParameters(fit.rotations, fit.betas, fit.pelvis - body.rest_joints(fit.betas)[:, 0])
    faces = make_renderer("cpu")(
        body(parameters).vertices, body.faces, seen.camera, RenderSettings(), outputs=("face_index",)
    ).face_index
    assert faces is not None
    parts = torch.where(faces[0] >= 0, body.face_parts[faces[0].clamp(min=0)], -1)
    return PhotoCrops(ClothingFeatures.joined(ordered), regions.side_px, cell_evidence(seen.mask, parts, regions))


def cell_evidence(mask: Float[Tensor, "h w"], parts: Int64[Tensor, "h w"], regions: Regions) -> CellEvidence:
    """What a mask and a part map say of the cells of regions.

    Args:
        mask: (H, W) share of each pixel that the person covers.
        parts: (H, W) SMPL part of each pixel; -1 where the body is not.
        regions: V regions of the image.
    """
    covered = F.avg_pool2d(regions.crop(mask[None], SIDE * STRIDE, replicate=False), STRIDE)[:, 0]
    middles = regions.pixels(2 * SIDE)[:, 1::2, 1::2].round().long()
    height, width = parts.shape
    x, y = middles.unbind(-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    shown = torch.where(inside, parts[y.clamp(0, height - 1), x.clamp(0, width - 1)], -1)
    nearest, distances = zip(*map(_nearest_part, shown), strict=True)
    return CellEvidence(covered, torch.stack(nearest), torch.stack(distances))


def _nearest_part(shown: Int64[Tensor, "64 64"]) -> tuple[Int64[Tensor, "64 64"], Float[Tensor, "64 64"]]:
    """The part nearest to each cell, and its distance in cells; infinite where the body is nowhere."""
    cells = torch.nonzero(torch.ones_like(shown)).float()
    on_body = shown.flatten() >= 0
    if not bool(on_body.any()):
        return torch.zeros_like(shown), torch.full(shown.shape, torch.inf)
    distance, index = torch.cdist(cells, cells[on_body]).min(dim=1)
    return shown.flatten()[on_body][index].reshape(shown.shape), distance.reshape(shown.shape)


@torch.inference_mode()
def teacher_probabilities(
    decoder: Callable[[ClothingFeatures], Tensor], crops: PhotoCrops
) -> Float[Tensor, "v l 64 64"]:
    """Probabilities of labels in each crop of a photo: the mean over all crops and their mirror images."""
    first, second = decoder(crops.features.to(torch.float32)).softmax(1).chunk(2)
    both = (first + second.flip(3)[:, list(SPACE.mirrored_labels)]) / 2
    seen = torch.cat([both, torch.ones_like(both[:, :1])], 1)
    means = []
    for side in crops.side:
        steps = (2 * torch.arange(SIDE) + 1) / SIDE - 1
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
        at = grid[None] * (side / crops.side)[:, None, None, None]
        total = F.grid_sample(seen, at, mode="bilinear", padding_mode="zeros", align_corners=False).sum(0)
        means.append(total[:-1] / total[-1:])
    return torch.stack(means)


def possible_labels() -> Bool[Tensor, "24 l"]:
    """Labels that each part can bear: those of `core.parts.ATR` but for bags, and sided ones on their own side only."""
    table = SPACE.emission[:N_PARTS] >= LEAST_SHARE
    for part, joint in enumerate(SMPL_24.joints):
        for label, name in enumerate(SPACE.labels):
            sides = {word for word in ("left", "right") if word in joint or word in name}
            table[part, label] &= len(sides) < 2
    table[:, [0, SPACE.labels.index("bag")]] = False
    return table


def confident_labels(probabilities: Float[Tensor, "v l 64 64"]) -> UInt8[Tensor, "v 64 64"]:
    """Labels of cells by the teacher's confidence alone, `IGNORED` elsewhere."""
    sure, label = probabilities.max(dim=1)
    return torch.where(sure >= SURE, label, IGNORED).byte()


def agreed_labels(probabilities: Float[Tensor, "v l 64 64"], evidence: CellEvidence) -> UInt8[Tensor, "v 64 64"]:
    """Labels of cells where teacher, mask and fit agree, `IGNORED` elsewhere.

    Of the labels that the fit makes possible the most probable teaches, if the teacher is sure of it among these. What
    the teacher takes for a bag in front of the body may be one, and teaches nothing.
    """
    on_body, person = evidence.distance == 0, evidence.mask >= INSIDE
    beside = torch.tensor([name in BESIDE for name in SPACE.labels])
    possible = possible_labels()[evidence.parts] | (beside & ~on_body[..., None])
    outside = torch.tensor([name in ("background", "bag") for name in SPACE.labels])
    possible = torch.where(person[..., None], possible, outside)
    carried = on_body & (probabilities.argmax(1) == SPACE.labels.index("bag"))
    trusted = (person & (evidence.distance <= FAR) & ~carried) | ((evidence.mask <= OUTSIDE) & ~on_body)
    masses = (probabilities.movedim(1, -1) * possible) * _garment_factor(probabilities, evidence)
    total = masses.sum(-1)
    sure, label = (masses / total.clamp(min=1e-6)[..., None]).max(-1)
    return torch.where(trusted & (total >= LEAST_POSSIBLE) & (sure >= SURE), label, IGNORED).byte()


def _garment_factor(probabilities: Float[Tensor, "v l 64 64"], evidence: CellEvidence) -> Float[Tensor, "l"]:
    """0 for garments of the legs that lose to another one there, 1 for all other labels."""
    legs = torch.tensor([any(word in joint for word in ("hip", "knee")) for joint in SMPL_24.joints])
    cells = legs[evidence.parts] & (evidence.mask >= INSIDE) & (evidence.distance <= FAR)
    pants, skirt, dress = (SPACE.labels.index(name) for name in GARMENTS_ON_LEGS)
    share = (probabilities * cells[:, None]).sum((0, 2, 3))
    factor = torch.ones(len(SPACE))
    for first, others in (((pants,), (skirt, dress)), ((skirt,), (dress,))):
        one, other = share[list(first)].sum(), share[list(others)].sum()
        if float(one + other) > 0:
            factor[list(first)] *= float(other / (one + other) < ONE_GARMENT)
            factor[list(others)] *= float(one / (one + other) < ONE_GARMENT)
    return factor


def photo_lessons(
    crops: Sequence[PhotoCrops], labels: Sequence[UInt8[Tensor, "v 64 64"]]
) -> tuple[ClothingFeatures, UInt8[Tensor, "n 64 64"]]:
    """Features and labels of all crops of photos and of their mirror images, for `clothing_labels.train_decoder`.

    Raises:
        InputError: if there is no crop.
    """
    if not crops:
        raise InputError("self-training: expected photos whose fits are ok, got none; give other photos")
    swap = torch.arange(256, dtype=torch.uint8)
    swap[: len(SPACE)] = torch.tensor(SPACE.mirrored_labels, dtype=torch.uint8)
    both = [torch.cat([one, swap[one.flip(2).long()]]) for one in labels]
    return ClothingFeatures.joined([one.features for one in crops]), torch.cat(both)
