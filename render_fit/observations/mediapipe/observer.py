"""The observer that works offline: MediaPipe's pose network, whose weights come inside its wheel."""

from __future__ import annotations

import math
from importlib.metadata import version

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from render_fit.core.errors import NoPersonError
from render_fit.core.skeletons import MEDIAPIPE_33
from render_fit.observations.mediapipe.network import (
    INPUT_SIDE_PX,
    PADDING_GREY,
    PoseDetection,
    PoseNetwork,
    one_torch_thread,
    square_around,
)
from render_fit.observations.observation import Box, Observation, box_grown, box_overlap, resample

VIEW_SIDE_PX = 576
"""Side to which the person's surroundings are reduced before the passes."""

ZOOM_ALONE, ZOOM_IN_CONTEXT = 1.6, 1.15
"""The person is looked at in squares of these multiples of the box's longer side: once with the surroundings
greyed out, which finds the right person, once with them, which gives better outlines; each also mirrored. The
mean of the four beats each one on the COCO people: 19 of 19 found and IoU 0.84, where single passes find 12
to 18."""

FALLBACK_ZOOMS = (2.0, 1.0)
"""Further squares, alone and in context, for a person who is not surely found in the first."""

RECENTRING_ZOOM = 2.0
"""A person found in a part of the picture is looked at again in a square of this multiple of the box's longer
side."""

MIN_PERSON_PX = 8.0
"""Narrower finds in the picture that is searched (768 px at most) are no people, but single keypoints."""

FOUND_OVERLAP = 0.2
"""A pass whose box overlaps the given one by less (IoU) saw somebody else."""

SURE_OVERLAP = 0.5
"""A pass whose box overlaps the given one by this much (IoU) saw the person; without one, further passes are
made."""

SURROUNDINGS_SHARE = 0.05
"""What lies further outside the box than this share of its longer side is greyed out, so that the network
looks at the person in the box."""

FOUND_BOX_SHARE = 0.15
"""The same for a box that the observer itself found, which may cut off a hand."""

CUT_SHARE = 0.02
"""A box that comes this near to the picture's edge, as a share of its longer side, is taken to be cut off
there; so is a mask that meets the edge of the box that was shown along this much."""

AGREEING_OVERLAP = 0.5
"""Passes whose masks overlap the best one's by this much (IoU) saw the same person and are averaged."""

PASSES = 4
MIN_SCORE_OF_ALL = 0.5
MIN_SCORE_OF_SOME = 0.72
"""Without a box, a person is accepted if all passes agree and their mean keypoint confidence reaches the
first, or if two do and it reaches the second. Of the people in COCO, CCP, UP-3D and scikit-image's
photographs, the least sure have 0.59 in all passes and 0.76 in two; of its pictures without people a cat has
0.48, a cup of coffee 0.69 in three passes, a logo 0.58 in two (and a motorcycle, which is taken for a person,
0.75 in two)."""

MAX_TRIED = 3
"""So many candidates are looked at closely before the picture is taken to be empty."""


class MediapipeObserver:
    """Finds one person's 33 keypoints, mask and rough 3D keypoints with MediaPipe Pose.

    MediaPipe alone finds one person, whom it likes best. Here a search comes first (the whole picture, then
    parts of it), then several passes over the person's surroundings, whose agreeing results are averaged.

    Not safe to share between threads; make it in the process that uses it.

    Attributes:
        name: What `Observation.source` calls this observer.
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
            box: Where the person is, pixels (left, top, width, height); the most prominent person if None.

        Returns:
            Keypoints, mask and 3D keypoints of the person.

        Raises:
            NoPersonError: If nobody is found.
        """
        height, width = image.shape[1:]
        seen = self._look_around(image) if box is None else self._look(image, box, SURROUNDINGS_SHARE)
        if seen is None:
            where = "" if box is None else " in the box " + ",".join(f"{value:.0f}" for value in box)
            raise NoPersonError(
                f"image: no person found{where}; give a mask and keypoints" + (" or a box" if box is None else "")
            )
        x, y = seen.keypoints_px.unbind(dim=1)
        inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
        return Observation(
            image_size=(height, width),
            valid=_told(seen, height, width),
            box=seen.box,
            image=image,
            mask=seen.mask,
            keypoints_px=seen.keypoints_px,
            confidence=torch.where(inside, seen.confidence, torch.zeros_like(seen.confidence)),
            skeleton=MEDIAPIPE_33,
            keypoints_3d=seen.keypoints_3d,
            confidence_3d=seen.confidence,
            source={"mask": self.name, "keypoints": self.name, "keypoints_3d": self.name},
        )

    @one_torch_thread()
    def find_people(self, image: Float[Tensor, "3 h w"], everyone: bool = False) -> list[Box]:
        """Looks for people in the whole picture, and in parts of it.

        Args:
            image: (3, H, W) RGB in [0, 1].
            everyone: Search the parts even if the whole picture shows somebody.

        Returns:
            The people's boxes, pixels; the most prominent person (confidence times size) first.
        """
        height, width = image.shape[1:]
        reduction = max(1.0, max(height, width) / (2 * INPUT_SIDE_PX))
        small = resample(
            image, (0.0, 0.0, float(width), float(height)), round(height / reduction), round(width / reduction)
        )
        whole = (0.0, 0.0, float(small.shape[2]), float(small.shape[1]))
        found: list[tuple[float, Box]] = []
        for squares in _search_squares(small.shape[1], small.shape[2]):
            for square in squares:
                one = self._network.look(small, square)
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

    def _look_around(self, image: Tensor) -> PoseDetection | None:
        """The most prominent person, if the passes over somebody agree that it is one."""
        tried: list[Box] = []
        for everyone in (False, True):
            for box in self.find_people(image, everyone)[:MAX_TRIED]:
                if any(box_overlap(box, other) > 0.9 for other in tried):
                    continue
                tried.append(box)
                seen = self._look(image, box, FOUND_BOX_SHARE)
                if seen is not None and _is_sure(seen):
                    return seen
        return None

    def _centred(self, image: Tensor, box: Box) -> Box:
        """The box of a person of whom only a part was seen, after a look at its surroundings."""
        for zoom in (RECENTRING_ZOOM, RECENTRING_ZOOM / 1.3):
            one = self._network.look(image, square_around(box, zoom))
            if one is not None and box_overlap(one.box, box) >= FOUND_OVERLAP:
                return one.box
        return box

    def _look(self, image: Tensor, box: Box, surroundings: float) -> PoseDetection | None:
        """Several passes over a person's surroundings, averaged; None if nobody is there."""
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
                tried = (self._network.look(view, square), self._network.look_mirrored(view, square))
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
            agreeing=fused.agreeing,
            shown=visible,
        )


def _is_sure(seen: PoseDetection) -> bool:
    """Whether what was seen without being told where to look is a person."""
    if seen.agreeing >= PASSES:
        return seen.score >= MIN_SCORE_OF_ALL
    return seen.agreeing >= 2 and seen.score >= MIN_SCORE_OF_SOME


def _fused(passes: list[PoseDetection], box: Box) -> PoseDetection:
    """The mean of the passes that saw the same person as the one that fits the box best."""
    best = max(passes, key=lambda one: one.score * box_overlap(one.box, box) ** 2)
    agreeing = [one for one in passes if _mask_overlap(one.mask, best.mask) >= AGREEING_OVERLAP]
    confidence = torch.stack([one.confidence for one in agreeing])
    weights = (confidence + 1e-3)[..., None] / (confidence + 1e-3).sum(dim=0)[..., None]
    return PoseDetection(
        keypoints_px=(weights * torch.stack([one.keypoints_px for one in agreeing])).sum(dim=0),
        confidence=confidence.mean(dim=0),
        keypoints_3d=(weights * torch.stack([one.keypoints_3d for one in agreeing])).sum(dim=0),
        mask=torch.stack([one.mask for one in agreeing]).mean(dim=0),
        agreeing=len(agreeing),
    )


def _told(seen: PoseDetection, height: int, width: int) -> Bool[Tensor, "h w"]:
    """Pixels of which the mask tells: it does not beyond an edge of the box that was shown where the person goes on."""
    told = torch.ones(height, width, dtype=torch.bool)
    if seen.shown is None:
        return told
    rows, columns = _window(seen.shown, height, width)
    person = seen.mask[rows, columns] >= 0.5
    if person.numel() == 0:
        return told
    least = max(2.0, CUT_SHARE * max(seen.shown[2:]))
    edges = (
        (person[0], told[: rows.start]),
        (person[-1], told[rows.stop :]),
        (person[:, 0], told[:, : columns.start]),
        (person[:, -1], told[:, columns.stop :]),
    )
    for edge, beyond in edges:
        if edge.sum() >= least:
            beyond[:] = False
    return told


def _mask_overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two masks."""
    a, b = a >= 0.5, b >= 0.5
    return float((a & b).sum()) / max(1.0, float((a | b).sum()))


def _search_squares(height: int, width: int) -> list[list[Box]]:
    """Squares to look for people in, in rounds: the whole picture, with a margin too, along it, smaller
    ones."""
    short, long = min(height, width), max(height, width)
    picture = (0.0, 0.0, float(width), float(height))

    def tiles(side: float) -> list[Box]:
        across, down = (max(1, math.ceil(1.5 * extent / side) - 1) for extent in (width, height))
        xs = [(width - side) / 2] if across == 1 else [i * (width - side) / (across - 1) for i in range(across)]
        ys = [(height - side) / 2] if down == 1 else [i * (height - side) / (down - 1) for i in range(down)]
        return [(x, y, side, side) for y in ys for x in xs]

    along = tiles(float(short)) if long > 1.1 * short else []
    return [[square_around(picture, 1.0)], [square_around(picture, 1.3)], along, tiles(0.6 * short)]


def _is_cut(box: Box, square: Box, image: Tensor) -> bool:
    """Whether a box reaches an edge of the square that it was found in where the image goes on."""
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
    """A square around a box, moved and if need be reduced to end where the picture cuts the person off.

    A margin beyond such an edge looks to the network as if the person ended there: it then sees knees in a
    belly.
    """
    near = CUT_SHARE * max(box[2:])
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


def _window(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of an image that a box covers."""
    top, left = min(max(0, round(box[1])), height), min(max(0, round(box[0])), width)
    bottom, right = min(max(top, round(box[1] + box[3])), height), min(max(left, round(box[0] + box[2])), width)
    return slice(top, bottom), slice(left, right)


def _greyed(image: Tensor, region: Box, visible: Box, side: int) -> Tensor:
    """A square region of an image, reduced, with all but the visible box in grey."""
    rows, columns = _window(visible, *image.shape[1:])
    part = image[:, rows, columns] - PADDING_GREY
    moved = (region[0] - columns.start, region[1] - rows.start, region[2], region[3])
    if part.numel() == 0:
        return torch.full((3, side, side), PADDING_GREY)
    return resample(part, moved, side, side) + PADDING_GREY


def _pasted(mask: Tensor, region: Box, visible: Box, height: int, width: int) -> Tensor:
    """A region's mask in the whole image, within the visible box."""
    rows, columns = _window(visible, height, width)
    whole = torch.zeros(height, width)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    if min(size) > 0:
        scale = mask.shape[0] / region[2]
        left, top = (columns.start - region[0]) * scale, (rows.start - region[1]) * scale
        crop = (left, top, size[1] * scale, size[0] * scale)
        whole[rows, columns] = resample(mask[None], crop, *size)[0].clamp(0, 1)
    return whole
