"""Body-part and clothing label spaces, and the distribution of their labels given the body's 24 parts.

A label space defines the values of a label map. Its *emission matrix* E models a human parser: row p has the
probabilities of the labels at a pixel that shows SMPL's part p (part = the joint that moves the skin most), the
last row those at a pixel that shows no body. A rendered part map thus gives P(label) = Σ_p E[p, label] · P(p).
This covers clothing: a skirt is emitted by thighs and by the background between them, a coat by torso, arms and
thighs, hair by the head and by the background around it.

The numbers were chosen by hand: each label *claims* parts, with a weight of about the share of that part's
pixels that have the label in everyday photographs (trousers are commoner on a shin than a dress, either
commoner than a bag). Only the rough ratios matter: rows are normalised, and every label keeps at least
`OUTLIER_SHARE` / (number of labels), so that the loss of a wrong pixel is bounded.

A label also tells how far the body may be from the surface that is seen: skin is the body's own, a skirt hangs
around it, a bag says nothing of it. This *looseness* is the usual distance between the outline of a clothed person
and the body's at pixels with that label. The numbers were chosen by hand, too.

Left and right are the person's own (anatomical), in all of these spaces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from render_fit.core.part_names import part_space_name
from render_fit.core.skeletons import SMPL_24, mirrored_name

OUTLIER_SHARE = 0.02
"""Share of pixels whose label is uniformly random. Human parsers make more errors, but mostly between labels
that share parts, which the claims already allow."""

WRONG_SIDE_SHARE = 0.1
"""Weight of a sided label on the same part of the other side, relative to its own side: parsers confuse sides,
mainly in people seen from behind."""

TIGHT_M = 0.01
"""Looseness up to which a label is full evidence of the part on which it is seen, metres."""

LABELS_OF_BODY_M = 1e-3
"""Looseness under which labels are of the body itself and say nothing of the clothes on it, metres."""

UNKNOWN_LOOSENESS_M = 0.02
"""Looseness of the labels of a space that does not define it, metres."""

_OTHER_SIDE = {"left": "right", "right": "left"}

Colour = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class PartSpace:
    """Label space of a label map.

    Attributes:
        name: Lower-case key in `PART_SPACES`.
        labels: Names of the L labels; the index is the pixel value, 0 is background.
        emission: (25, L) row-stochastic: P(label | part) for SMPL's 24 parts in joint order, then background.
        colours: 8-bit RGB per label, for colour maps and for display.
        source: Reference for the label order.
        looseness_m: (L,) usual distance between outline and body at pixels with each label, metres: 0 if labels are of
            the body itself, infinite if a label says nothing of it. None: not known.
    """

    name: str
    labels: tuple[str, ...]
    emission: Float[Tensor, "25 l"]
    colours: tuple[Colour, ...]
    source: str
    looseness_m: Float[Tensor, "l"] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_of_body(self) -> bool:
        """Whether labels are of the body itself, as if it were not clothed."""
        return self.looseness_m is not None and float(self.looseness_m[1:].max()) < LABELS_OF_BODY_M

    @property
    def names_clothes(self) -> bool:
        """Whether labels are kinds of clothes, not parts of the body under or with them."""
        return not {"upper-clothes", "pants", "dress"}.isdisjoint(self.labels)

    @cached_property
    def emission_on_person(self) -> Float[Tensor, "25 l"]:
        """`emission` at pixels of the person, whose last row is P(label | clothes or hair beside the body).

        Which parts a loose garment covers is one fact for all of its pixels, which then are no independent evidence: a
        long jacket would pull the pelvis down to its hem. The logarithms of a label's column are therefore scaled by
        (`TIGHT_M` / ℓ)² for a looseness ℓ above `TIGHT_M`. Beside the body such a label is as likely as on the part
        that bears it most often, else the waist would swell until it fills a shirt; skin and tight garments hardly
        exist there: ℓ / (ℓ + 2 `TIGHT_M`). Columns are in units of their largest entry: only likelihoods of one label
        are compared.
        """
        loose = torch.full((len(self),), UNKNOWN_LOOSENESS_M) if self.looseness_m is None else self.looseness_m
        share = self.emission / self.emission[:-1].amax(dim=0)
        share = share ** (TIGHT_M / loose.clamp(min=TIGHT_M)).square()
        beside = torch.where(loose > TIGHT_M, 1.0, 1 / (1 + 2 * TIGHT_M / loose.clamp(min=1e-3)))
        share[-1, 1:] = beside[1:]
        return share

    @property
    def mirrored_labels(self) -> tuple[int, ...]:
        """Index of the same label on the other side of the body, for each label; its own on the midline."""
        names = ["-".join(_OTHER_SIDE.get(word, word) for word in label.split("-")) for label in self.labels]
        return tuple(self.labels.index(name) if name in self.labels else i for i, name in enumerate(names))

    @property
    def person_labels(self) -> tuple[int, ...]:
        """Indices of the labels of the person and their clothes: all but the background and bags."""
        return tuple(i for i, label in enumerate(self.labels) if label not in ("background", "bag"))


def voc_colours(count: int) -> tuple[Colour, ...]:
    """The colour map of PASCAL VOC, used by many tools for label maps.

    Args:
        count: Number of labels, at most 256.

    Returns:
        8-bit RGB per label.

    Source:
        PASCAL VOC devkit, VOClabelcolormap.m: the label's bits, three at a time, from the colours' highest
        bits down.
    """
    colours = []
    for label in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (label >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append((channels[0], channels[1], channels[2]))
    return tuple(colours)


_JOINTS = SMPL_24.joints
BACKGROUND_ROW = len(_JOINTS)
# Groups of SMPL parts that labels refer to. SMPL's "hip" part is the thigh, its "knee" the shin, its
# "shoulder" the upper arm, its "elbow" the forearm; ankle and foot together are the foot, wrist and hand
# together the hand.
_SIDED_GROUPS = {
    "thigh": ("hip",),
    "shin": ("knee",),
    "foot": ("ankle", "foot"),
    "collar": ("collar",),
    "upper_arm": ("shoulder",),
    "forearm": ("elbow",),
    "hand": ("wrist", "hand"),
}
_GROUPS: dict[str, tuple[int, ...]] = {
    **{
        f"{side}_{group}": tuple(_JOINTS.index(f"{side}_{joint}") for joint in joints)
        for side in ("left", "right")
        for group, joints in _SIDED_GROUPS.items()
    },
    **{joint: (_JOINTS.index(joint),) for joint in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")},
    "background": (BACKGROUND_ROW,),
}


def _claimed_rows(place: str) -> list[tuple[int, float]]:
    """Rows that a claim covers, with a factor: both sides of an unsided limb; a sided one also on the wrong
    side."""
    if place == "torso":
        return [(row, 1.0) for name in ("spine1", "spine2", "spine3") for row in _GROUPS[name]]
    if place in _SIDED_GROUPS:
        return [(row, 1.0) for side in ("left", "right") for row in _GROUPS[f"{side}_{place}"]]
    rows = [(row, 1.0) for row in _GROUPS[place]]
    if mirrored_name(place) != place:
        rows += [(row, WRONG_SIDE_SHARE) for row in _GROUPS[mirrored_name(place)]]
    return rows


_PLACE_LOOSENESS_CM = {
    "head": 3.0, "neck": 2.5, "spine1": 2.0, "spine2": 2.0, "spine3": 2.0, "pelvis": 2.5, "collar": 2.0,
    "upper_arm": 1.5, "forearm": 1.2, "hand": 0.7, "thigh": 2.5, "shin": 1.3, "foot": 1.0,
}  # fmt: skip
_ROW_LOOSENESS_CM = {row: loose for place, loose in _PLACE_LOOSENESS_CM.items() for row, _ in _claimed_rows(place)}

PART_LOOSENESS_M: Float[Tensor, "24"] = 0.01 * torch.tensor([_ROW_LOOSENESS_CM[row] for row in range(BACKGROUND_ROW)])
"""Looseness of clothed people by SMPL part, metres, where nothing is known of their clothes; set by hand."""


def _looseness_of_parts(shares: Float[Tensor, "25 l"]) -> Float[Tensor, "l"]:
    """Looseness of each label as the mean over the parts that bear it, metres; infinite for the background."""
    on_body = shares[:BACKGROUND_ROW].float()
    means = (on_body * PART_LOOSENESS_M[:, None]).sum(dim=0) / on_body.sum(dim=0).clamp(min=1e-9)
    return torch.where(on_body.sum(dim=0) > 0, means, math.inf)


def part_space(
    name: str,
    claims: Mapping[str, str],
    colours: tuple[Colour, ...] | None = None,
    source: str = "",
    looseness_cm: Mapping[str, float] | None = None,
) -> PartSpace:
    """Builds a label space from the claims of each label.

    Args:
        name: Name of the label space.
        claims: For each label, in order of pixel value, its weight on parts: ``"thigh 7, left_shin 6,
            background 0.4"``. Parts are SMPL's with plain names (torso, pelvis, thigh, shin, foot, collar,
            upper_arm, forearm, hand, neck, head, spine1 to spine3), each limb with ``left_`` or ``right_``
            or, without, both; and ``background``.
        colours: 8-bit RGB per label; PASCAL VOC's colour map if None.
        source: Reference for the label order.
        looseness_cm: Looseness of each label, centimetres, see `PartSpace.looseness_m`; None: that of clothed people at
            the label's parts.

    Returns:
        The label space, its emission rows normalised.
    """
    weights = torch.zeros(BACKGROUND_ROW + 1, len(claims), dtype=torch.float64)
    for label, claim in enumerate(claims.values()):
        for item in claim.split(","):
            place, weight = item.split()
            for row, factor in _claimed_rows(place):
                weights[row, label] += factor * float(weight)
    shares = weights / weights.sum(dim=1, keepdim=True)
    emission = (1 - OUTLIER_SHARE) * shares + OUTLIER_SHARE / len(claims)
    if looseness_cm is None:
        loose = _looseness_of_parts(shares)
    else:
        loose = 0.01 * torch.tensor([looseness_cm[label] for label in claims])
    return PartSpace(name, tuple(claims), emission.float(), colours or voc_colours(len(claims)), source, loose)


SMPL_24_PARTS = PartSpace(
    name="smpl24",
    labels=("background", *_JOINTS),
    emission=((1 - OUTLIER_SHARE) * torch.eye(25).roll(1, dims=1) + OUTLIER_SHARE / 25),
    colours=voc_colours(25),
    source="label = SMPL joint index + 1",
    looseness_m=torch.tensor([math.inf, *[0.0] * len(_JOINTS)]),
)

NBF_12 = part_space(
    "nbf12",
    {
        "background": "background 1",
        "head": "head 1",
        "upper torso": "spine1 0.2, spine2 1, spine3 1, collar 0.9",
        "left lower arm": "left_forearm 1, left_hand 1",
        "right upper arm": "right_upper_arm 1, right_collar 0.1",
        "left upper leg": "left_thigh 1",
        "right upper leg": "right_thigh 1",
        "neck": "neck 1",
        "lower torso": "pelvis 1, spine1 0.8",
        "left upper arm": "left_upper_arm 1, left_collar 0.1",
        "right lower arm": "right_forearm 1, right_hand 1",
        "left lower leg": "left_shin 1, left_foot 1",
        "right lower leg": "right_shin 1, right_foot 1",
    },
    colours=(
        (0, 0, 0), (98, 255, 255), (255, 159, 255), (197, 255, 0), (0, 134, 167), (213, 95, 0), (41, 128, 0),
        (104, 0, 147), (181, 203, 255), (0, 68, 215), (255, 214, 0), (0, 66, 83), (134, 126, 0),
    ),
    source="Neural Body Fitting (Omran et al. 2018), colour map and labelled template of the public demo",
)  # fmt: skip

NBF_12_OF_OUTLINE = replace(NBF_12, name="nbf12-outline")
"""`NBF_12` for maps that divide the outline of a clothed person, not the body's."""
NBF_12 = replace(NBF_12, looseness_m=torch.tensor([math.inf, *[0.0] * 12]))


def _merged(name: str, groups: Mapping[str, tuple[str, ...]]) -> PartSpace:
    """Groups of NBF's 12 parts as a label space; the colour of a group is that of its first part."""
    members = [[NBF_12.labels.index(label) for label in labels] for labels in groups.values()]
    emission = torch.stack([NBF_12.emission[:, columns].sum(dim=1) for columns in members], dim=1)
    loose = torch.tensor([math.inf, *[0.0] * (len(groups) - 1)])
    colours = tuple(NBF_12.colours[columns[0]] for columns in members)
    return PartSpace(name, tuple(groups), emission, colours, "groups of NBF's 12 parts", loose)


NBF_6 = _merged(
    "nbf6",
    {
        "background": ("background",),
        "head": ("head", "neck"),
        "torso": ("upper torso", "lower torso"),
        **{f"{side} arm": (f"{side} upper arm", f"{side} lower arm") for side in ("left", "right")},
        **{f"{side} leg": (f"{side} upper leg", f"{side} lower leg") for side in ("left", "right")},
    },
)
NBF_3 = _merged(
    "nbf3",
    {
        "background": ("background",),
        "head and torso": ("head", "neck", "upper torso", "lower torso"),
        **{
            f"{limb}s": tuple(f"{side} {half} {limb}" for side in ("left", "right") for half in ("upper", "lower"))
            for limb in ("arm", "leg")
        },
    },
)

COARSE_PARTS: dict[str, PartSpace] = {space.name: space for space in (NBF_12, NBF_6, NBF_3)}
"""Label spaces with fewer parts than SMPL, for trainings: how much does a finer segmentation help?"""

# Order of LIP_JPPNet's label_colours, which SCHP-style tools and CIHP_PGN share; ATR's maps use its first 18.
_LIP_COLOURS: tuple[Colour, ...] = (
    (0, 0, 0), (128, 0, 0), (255, 0, 0), (0, 85, 0), (170, 0, 51), (255, 85, 0), (0, 0, 85), (0, 119, 221), (85, 85, 0),
    (0, 85, 85), (85, 51, 0), (52, 86, 128), (0, 128, 0), (0, 0, 255), (51, 170, 221), (0, 255, 255), (85, 255, 170),
    (170, 255, 85), (255, 255, 0), (255, 170, 0),
)  # fmt: skip


def _mirrored(claim: str) -> str:
    return ", ".join(f"{mirrored_name(place)} {weight}" for place, weight in (c.split() for c in claim.split(",")))


_BACKGROUND = "background 30"
_GARMENTS = {
    "background": _BACKGROUND,
    "hat": "head 3, background 0.2",
    "hair": "head 7, neck 0.5, collar 0.3, torso 0.1, upper_arm 0.1, background 0.5",
    "sunglasses": "head 0.5",
    "upper-clothes": "torso 8, collar 8, pelvis 4, upper_arm 6, forearm 4, hand 0.3, neck 1, thigh 0.7, background 0.6",
    "dress": "torso 1.5, collar 1, pelvis 1.5, thigh 1.5, shin 0.5, upper_arm 0.5, forearm 0.2, background 0.5",
    "skirt": "spine1 0.5, pelvis 1.5, thigh 2.5, shin 0.7, background 0.5",
    "pants": "spine1 0.7, pelvis 5, thigh 7, shin 6, foot 0.5, background 0.4",
    "belt": "pelvis 0.4, spine1 0.4",
    "bag": "torso 0.3, pelvis 0.3, thigh 0.2, upper_arm 0.1, forearm 0.1, hand 0.1, background 0.7",
    "scarf": "neck 1.5, torso 0.5, collar 0.5, head 0.1, background 0.1",
    "glove": "hand 0.7, forearm 0.1, background 0.1",
    "coat": "torso 4, collar 4, pelvis 3, thigh 1.5, shin 0.2, upper_arm 4, forearm 4, hand 0.3, neck 0.5, "
    "background 0.5",
    "socks": "foot 0.7, shin 0.7, background 0.1",
    "torso-skin": "neck 5, collar 2, torso 1, pelvis 0.2, background 0.1",
    "jumpsuits": "torso 0.4, collar 0.4, pelvis 0.4, thigh 0.4, shin 0.3, upper_arm 0.3, forearm 0.2, background 0.2",
    "face": "head 8, neck 3, collar 0.5, spine3 0.2, background 0.1",
    "left-arm": "left_upper_arm 2.5, left_forearm 5, left_hand 9, left_collar 0.5, spine3 0.1, background 0.2",
    "left-leg": "left_thigh 2, left_shin 3, left_foot 1, background 0.2",
    "left-shoe": "left_foot 8, left_shin 0.7, background 0.2",
}
"""Claims of the labels of ATR and LIP; those of the right side are the left side's, mirrored."""


_GARMENT_LOOSENESS_CM = {
    "background": math.inf, "hat": 4.0, "hair": 5.0, "sunglasses": 1.0, "upper-clothes": 2.5, "dress": 5.0,
    "skirt": 7.0, "pants": 1.5, "belt": 1.5, "bag": math.inf, "scarf": 6.0, "glove": 0.7, "coat": 5.0, "socks": 0.7,
    "jumpsuits": 3.0, "face": 0.7, "torso-skin": 0.7,
    **{f"{side}-{what}": 0.7 for side in ("left", "right") for what in ("arm", "leg")},
    **{f"{side}-shoe": 1.0 for side in ("left", "right")},
}  # fmt: skip
"""Looseness of the labels of ATR and LIP, see `PartSpace.looseness_m`."""


def _garments(labels: str) -> dict[str, str]:
    """Claims of space-separated labels of `_GARMENTS`."""
    right = {label.replace("left", "right"): _mirrored(claim) for label, claim in _GARMENTS.items() if "left" in label}
    return {label: (_GARMENTS | right)[label] for label in labels.split()}


ATR = part_space(
    "atr",
    _garments(
        "background hat hair sunglasses upper-clothes skirt pants dress belt left-shoe right-shoe face left-leg "
        "right-leg left-arm right-arm bag scarf"
    ),
    colours=_LIP_COLOURS[:18],
    source="ATR (Liang et al. 2015) in the order of SCHP's simple_extractor.py",
    looseness_cm=_GARMENT_LOOSENESS_CM,
)

LIP = part_space(
    "lip",
    _garments(
        "background hat hair glove sunglasses upper-clothes dress coat socks pants jumpsuits scarf skirt face "
        "left-arm right-arm left-leg right-leg left-shoe right-shoe"
    ),
    colours=_LIP_COLOURS,
    source="Look into Person (Gong et al. 2017) in the order of SCHP's simple_extractor.py",
    looseness_cm=_GARMENT_LOOSENESS_CM,
)

CIHP = part_space(
    "cihp",
    _garments(
        "background hat hair glove sunglasses upper-clothes dress coat socks pants torso-skin scarf skirt face "
        "left-arm right-arm left-leg right-leg left-shoe right-shoe"
    ),
    colours=_LIP_COLOURS,
    source="Crowd Instance-level Human Parsing (Gong et al. 2018), classes of CIHP_PGN and Graphonomy",
    looseness_cm=_GARMENT_LOOSENESS_CM,
)

PASCAL = part_space(
    "pascal",
    {
        "background": _BACKGROUND,
        "head": "head 10, neck 5, collar 0.2, background 0.8",
        "torso": "torso 10, pelvis 7, collar 9, neck 4, thigh 1, upper_arm 0.7, background 0.8",
        "upper arms": "upper_arm 9, collar 1, forearm 0.7, background 0.5",
        "lower arms": "forearm 9, hand 10, upper_arm 0.5, background 0.5",
        "upper legs": "thigh 9, pelvis 3, shin 0.5, background 0.6",
        "lower legs": "shin 10, foot 10, thigh 0.3, background 0.5",
    },
    source="PASCAL-Person-Part (Chen et al. 2014) in the order of SCHP's simple_extractor.py",
)

# DensePose cuts limbs lengthwise (front and back, or inside and outside), SMPL's parts do not: each half gets
# the same.
DENSEPOSE_24 = part_space(
    "densepose24",
    {
        "background": "background 50",
        "torso back": "torso 1, pelvis 1, collar 0.9, neck 0.3, background 0.5",
        "torso front": "torso 1, pelvis 1, collar 0.9, neck 0.3, background 0.5",
        "right hand": "right_hand 1, right_forearm 0.05, background 0.2",
        "left hand": "left_hand 1, left_forearm 0.05, background 0.2",
        "left foot": "left_foot 1, left_shin 0.05, background 0.2",
        "right foot": "right_foot 1, right_shin 0.05, background 0.2",
        "right upper leg back": "right_thigh 1, pelvis 0.1, background 0.2",
        "left upper leg back": "left_thigh 1, pelvis 0.1, background 0.2",
        "right upper leg front": "right_thigh 1, pelvis 0.1, background 0.2",
        "left upper leg front": "left_thigh 1, pelvis 0.1, background 0.2",
        "right lower leg back": "right_shin 1, right_foot 0.05, background 0.2",
        "left lower leg back": "left_shin 1, left_foot 0.05, background 0.2",
        "right lower leg front": "right_shin 1, right_foot 0.05, background 0.2",
        "left lower leg front": "left_shin 1, left_foot 0.05, background 0.2",
        "left upper arm inside": "left_upper_arm 1, left_collar 0.1, background 0.2",
        "right upper arm inside": "right_upper_arm 1, right_collar 0.1, background 0.2",
        "left upper arm outside": "left_upper_arm 1, left_collar 0.1, background 0.2",
        "right upper arm outside": "right_upper_arm 1, right_collar 0.1, background 0.2",
        "left lower arm inside": "left_forearm 1, left_hand 0.05, background 0.2",
        "right lower arm inside": "right_forearm 1, right_hand 0.05, background 0.2",
        "left lower arm outside": "left_forearm 1, left_hand 0.05, background 0.2",
        "right lower arm outside": "right_forearm 1, right_hand 0.05, background 0.2",
        "right head": "head 1, neck 0.4, background 0.3",
        "left head": "head 1, neck 0.4, background 0.3",
    },
    source="DensePose-COCO (Güler et al. 2018), dp_I in data_format.md",
)

PART_SPACES: dict[str, PartSpace] = {
    space.name: space for space in (SMPL_24_PARTS, NBF_12, NBF_12_OF_OUTLINE, ATR, LIP, CIHP, PASCAL, DENSEPOSE_24)
}


def part_space_named(name: str) -> PartSpace:
    """The label space of a name, in any spelling of it: ``PASCAL-Person-Part``, ``SCHP LIP``.

    Raises:
        InputError: if the name is unknown; the message lists the known ones.
    """
    return PART_SPACES[part_space_name(name)]


N_PARTS = 24
"""Channels of a part map: SMPL's body parts, one per joint."""


def part_evidence(space: PartSpace) -> Float[Tensor, "l 24"]:
    """Probability of each of SMPL's parts given each label of a space, with a uniform prior over the parts.

    Returns:
        (L, 24) rows that sum to the probability that the label is on the person; the background's is near 0.
    """
    emission = space.emission  # (25, L) P(label | part), background last
    weight = torch.cat([torch.full((N_PARTS, 1), 1.0 / N_PARTS), torch.ones(1, 1)])
    joint = emission * weight.to(emission)
    return (joint / joint.sum(0, keepdim=True).clamp(min=1e-9))[:N_PARTS].T.contiguous()
