"""MediaPipe's own pose solution as an observer, to compare with: its networks, run by its wheel."""

from __future__ import annotations

import math
from importlib.metadata import version

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.errors import NoPersonError
from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.core.threads import one_torch_thread
from render_fit.observations.mediapipe_network import (
    INPUT_SIDE_PX,
    PADDING_GREY,
    PoseDetection,
    PoseNetwork,
)
from render_fit.observations.observation import Box, Observation, box_grown, box_overlap, resample
from render_fit.observations.surroundings import (
    TRUNCATION_MARGIN,
    search_squares,
    square_around,
    valid_pixels,
    window,
)

VIEW_SIDE_PX = 576
"""Largest side of the region around the person in which the passes run, pixels."""

ZOOM_ALONE, ZOOM_IN_CONTEXT = 1.6, 1.15
"""Sides of the squares of the passes, as multiples of the longer side of the box: with the surroundings greyed out,
which detects the right person, and with the surroundings, which gives better outlines. Each pass is repeated on the
mirror image. On the COCO people the mean of the four finds 19 of 19 with IoU 0.84; single passes find 12 to 18."""

FALLBACK_ZOOMS = (2.0, 1.0)
"""Sides of further squares, for a person who is not found with `SURE_OVERLAP` in the first ones."""

RECENTRING_ZOOM = 2.0
"""Side of the square in which a truncated detection is repeated, as a multiple of the longer side of the box."""

MIN_PERSON_PX = 8.0
"""Smallest side of a person's box in the searched image (at most 768 px); narrower detections are single keypoints."""

FOUND_OVERLAP = 0.2
"""Smallest IoU between the box of a pass and the given box; below, the pass detected another person."""

SURE_OVERLAP = 0.5
"""IoU between the box of a pass and the given box at which the person counts as found; without such a pass, further
passes are run (`FALLBACK_ZOOMS`)."""

SURROUNDINGS_SHARE = 0.05
"""Margin around a given box, as a share of its longer side. The image outside is greyed out, so that the network
detects the person in the box."""

FOUND_BOX_SHARE = 0.15
"""Margin around a box that the observer has found, which may cut off a hand."""

AGREEING_OVERLAP = 0.5
"""IoU with the mask of the best pass at which passes detected the same person and are averaged."""

PASSES = 4
MIN_SCORE_OF_ALL = 0.5
MIN_SCORE_OF_SOME = 0.72
"""Thresholds on the mean keypoint confidence without a box: if all passes agree, and if at least two agree. The least
confident people in COCO, CCP, UP-3D and scikit-image's photos have 0.59 (all passes) and 0.76 (two). Images of
scikit-image without people have 0.48 (cat), 0.69 in three passes (cup of coffee) and 0.58 in two (logo); a motorcycle
is detected as a person with 0.75 in two."""

MAX_TRIED = 3
"""Number of candidates that are observed before the image counts as empty."""


class MediapipeObserver:
    """Observes 33 keypoints, mask and rough 3D keypoints of one person with MediaPipe Pose.

    MediaPipe returns one person per image: the most confident detection. This observer first searches the image and
    parts of it, then runs several passes over the surroundings of the person and averages those that agree.

    Not thread-safe; create it in the process that uses it.

    Attributes:
        name: Name of this observer in `Observation.source`.
    """

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            MissingDependencyError: If mediapipe is not installed.
        """
        self._network = PoseNetwork()
        self.name = f"mediapipe {version('mediapipe')}"

    @one_torch_thread()
    def observe(self, image: Float[Tensor, "3 h w"], box: Box | None = None) -> Observation:
        """Observes one person.

        Args:
            image: (3, H, W) RGB in [0, 1].
            box: Box of the person (left, top, width, height), pixels; the most prominent person if None.

        Returns:
            Keypoints, mask and 3D keypoints of the person.

        Raises:
            NoPersonError: If no person is found.
        """
        height, width = image.shape[1:]
        found = self._search(image) if box is None else self._detect(image, box, SURROUNDINGS_SHARE)
        if found is None:
            where = "" if box is None else " in the box " + ",".join(f"{value:.0f}" for value in box)
            raise NoPersonError(
                f"image: no person found{where}; give a mask and keypoints" + (" or a box" if box is None else "")
            )
        x, y = found.keypoints_px.unbind(dim=1)
        inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
        return Observation(
            image_size=(height, width),
            valid=valid_pixels(found.mask, found.visible_box),
            box=found.box,
            image=image,
            mask=found.mask,
            keypoints_px=found.keypoints_px,
            confidence=torch.where(inside, found.confidence, torch.zeros_like(found.confidence)),
            skeleton=MEDIAPIPE_33,
            keypoints_3d=found.keypoints_3d,
            confidence_3d=found.confidence,
            source={"mask": self.name, "keypoints": self.name, "keypoints_3d": self.name},
        )

    @one_torch_thread()
    def find_people(self, image: Float[Tensor, "3 h w"], everyone: bool = False) -> list[Box]:
        """Searches for people in the whole image, and in parts of it.

        Args:
            image: (3, H, W) RGB in [0, 1].
            everyone: Search the parts even if the whole image contains a person.

        Returns:
            Boxes of the people, pixels; the most prominent person (confidence times size) first.
        """
        height, width = image.shape[1:]
        reduction = max(1.0, max(height, width) / (2 * INPUT_SIDE_PX))
        small = resample(
            image, (0.0, 0.0, float(width), float(height)), round(height / reduction), round(width / reduction)
        )
        whole = (0.0, 0.0, float(small.shape[2]), float(small.shape[1]))
        found: list[tuple[float, Box]] = []
        for squares in search_squares(small.shape[1], small.shape[2]):
            for square in squares:
                one = self._network.detect(small, square)
                if one is not None:
                    box = self._centred(small, one.box) if _is_cut(one.box, square, small) else one.box
                    if min(box[2:]) >= MIN_PERSON_PX and box_overlap(box, whole) > 0:
                        found.append((one.score * math.sqrt(box[2] * box[3]), box))
            if found and not everyone:
                break
        distinct: list[Box] = []
        for _, box in sorted(found, key=lambda item: -item[0]):
            if all(box_overlap(box, other) < 0.3 for other in distinct):
                distinct.append(box)
        scale = width / small.shape[2]
        return [(box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale) for box in distinct]

    def _search(self, image: Tensor) -> PoseDetection | None:
        """Detects the most prominent person on whom the passes agree."""
        tried: list[Box] = []
        for everyone in (False, True):
            for box in self.find_people(image, everyone)[:MAX_TRIED]:
                if any(box_overlap(box, other) > 0.9 for other in tried):
                    continue
                tried.append(box)
                found = self._detect(image, box, FOUND_BOX_SHARE)
                if found is not None and _is_confident(found):
                    return found
        return None

    def _centred(self, image: Tensor, box: Box) -> Box:
        """Box of a person who was truncated by the searched square, from a pass over the surroundings."""
        for zoom in (RECENTRING_ZOOM, RECENTRING_ZOOM / 1.3):
            one = self._network.detect(image, square_around(box, zoom))
            if one is not None and box_overlap(one.box, box) >= FOUND_OVERLAP:
                return one.box
        return box

    def _detect(self, image: Tensor, box: Box, surroundings: float) -> PoseDetection | None:
        """Runs several passes over the surroundings of a person and averages them; None if no pass finds the person."""
        height, width = image.shape[1:]
        region = square_around(box, max(FALLBACK_ZOOMS))
        side = min(VIEW_SIDE_PX, math.ceil(region[2]))
        scale = side / region[2]
        visible = box_grown(box, surroundings * max(box[2:]))
        alone, in_context = _greyed(image, region, visible, side), _greyed(image, region, region, side)
        view_box = ((box[0] - region[0]) * scale, (box[1] - region[1]) * scale, box[2] * scale, box[3] * scale)
        picture = (-region[0] * scale, -region[1] * scale, width * scale, height * scale)
        passes: list[PoseDetection] = []
        for zoom_alone, zoom_in_context in ((ZOOM_ALONE, ZOOM_IN_CONTEXT), FALLBACK_ZOOMS):
            for view, zoom in ((alone, zoom_alone), (in_context, zoom_in_context)):
                square = _kept_inside(square_around(view_box, zoom), view_box, picture)
                tried = (self._network.detect(view, square), self._network.detect_mirrored(view, square))
                passes += [one for one in tried if one is not None and box_overlap(one.box, view_box) >= FOUND_OVERLAP]
            if any(box_overlap(one.box, view_box) >= SURE_OVERLAP for one in passes):
                break
        passes = [one for one in passes if bool((one.mask >= 0.5).any())]
        if not passes:
            return None
        fused = _fused(passes, view_box)
        origin = torch.tensor(region[:2])
        return PoseDetection(
            keypoints_px=fused.keypoints_px / scale + origin,
            confidence=fused.confidence,
            keypoints_3d=fused.keypoints_3d,
            mask=_pasted(fused.mask, region, visible, height, width),
            n_passes=fused.n_passes,
            visible_box=visible,
        )


def _is_confident(found: PoseDetection) -> bool:
    """Whether a detection without a given box counts as a person."""
    if found.n_passes >= PASSES:
        return found.score >= MIN_SCORE_OF_ALL
    return found.n_passes >= 2 and found.score >= MIN_SCORE_OF_SOME


def _fused(passes: list[PoseDetection], box: Box) -> PoseDetection:
    """Mean of the passes that detected the same person as the pass that matches the box best."""
    best = max(passes, key=lambda one: one.score * box_overlap(one.box, box) ** 2)
    agreeing = [one for one in passes if _mask_overlap(one.mask, best.mask) >= AGREEING_OVERLAP]
    confidence = torch.stack([one.confidence for one in agreeing])
    weights = (confidence + 1e-3)[..., None] / (confidence + 1e-3).sum(dim=0)[..., None]
    return PoseDetection(
        keypoints_px=(weights * torch.stack([one.keypoints_px for one in agreeing])).sum(dim=0),
        confidence=confidence.mean(dim=0),
        keypoints_3d=(weights * torch.stack([one.keypoints_3d for one in agreeing])).sum(dim=0),
        mask=torch.stack([one.mask for one in agreeing]).mean(dim=0),
        n_passes=len(agreeing),
    )


def _mask_overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two masks."""
    a, b = a >= 0.5, b >= 0.5
    return float((a & b).sum()) / max(1.0, float((a | b).sum()))


def _is_cut(box: Box, square: Box, image: Tensor) -> bool:
    """Whether a box reaches an edge of its searched square that lies inside the image."""
    height, width = image.shape[1:]
    room = 0.03 * square[2]
    left, top, right, bottom = square[0], square[1], square[0] + square[2], square[1] + square[3]
    return (
        (left > 0 and box[0] < left + room)
        or (top > 0 and box[1] < top + room)
        or (right < width and box[0] + box[2] > right - room)
        or (bottom < height and box[1] + box[3] > bottom - room)
    )


def _kept_inside(square: Box, box: Box, picture: Box) -> Box:
    """Moves and if necessary reduces a square around a box, so that it ends where the image truncates the person.

    With a margin beyond such an edge the network treats the person as complete, and places knees on a belly.
    """
    near = TRUNCATION_MARGIN * max(box[2:])
    cut = [
        (box[axis] < picture[axis] + near, box[axis] + box[axis + 2] > picture[axis] + picture[axis + 2] - near)
        for axis in (0, 1)
    ]
    side = min([square[2], *(picture[axis + 2] for axis in (0, 1) if all(cut[axis]))])
    corner = []
    for axis in (0, 1):
        start, end = picture[axis], picture[axis] + picture[axis + 2] - side
        centred = square[axis] + (square[2] - side) / 2
        at_start, at_end = cut[axis]
        corner.append(max(centred, start) if at_start else min(centred, end) if at_end else centred)
    return (corner[0], corner[1], side, side)


def _greyed(image: Tensor, region: Box, visible: Box, side: int) -> Tensor:
    """Square region of an image, reduced, and grey outside of the visible box."""
    rows, columns = window(visible, *image.shape[1:])
    part = image[:, rows, columns] - PADDING_GREY
    moved = (region[0] - columns.start, region[1] - rows.start, region[2], region[3])
    if part.numel() == 0:
        return torch.full((3, side, side), PADDING_GREY)
    return resample(part, moved, side, side) + PADDING_GREY


def _pasted(mask: Tensor, region: Box, visible: Box, height: int, width: int) -> Tensor:
    """Mask of a region, resampled to the whole image; zero outside of the visible box."""
    rows, columns = window(visible, height, width)
    whole = torch.zeros(height, width)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    if min(size) > 0:
        scale = mask.shape[0] / region[2]
        left, top = (columns.start - region[0]) * scale, (rows.start - region[1]) * scale
        crop = (left, top, size[1] * scale, size[0] * scale)
        whole[rows, columns] = resample(mask[None], crop, *size)[0].clamp(0, 1)
    return whole
