"""What people wear: the frequencies of garments in everyday photos, and random sets of clothes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from render_fit.core.config import StrictModel

Bottom = Literal["trousers", "shorts", "skirt", "dress"]
Outerwear = Literal["none", "jacket", "coat"]
HairStyle = Literal["short", "bob", "long", "ponytail", "bun"]
Hat = Literal["none", "beanie", "cap", "brimmed"]
Bag = Literal["none", "shoulder", "across", "hand", "backpack"]

Choice = TypeVar("Choice", bound=str)


class WardrobeFrequencies(StrictModel):
    """Shares of people; they are set by hand, for photos of streets and homes.

    Attributes:
        trousers: Trousers of any width.
        shorts: Shorts.
        skirts: Skirts.
        dresses: Dresses; with the three above they sum to 1.
        wide: Share of trousers that are wide.
        jackets: Jackets, which end at the hips.
        coats: Coats, which end at the thighs or shins.
        open: Share of jackets and coats that are worn open.
        bobs: Loose hair to the chin.
        loose_hair: Loose hair onto shoulders or back.
        ponytails: Ponytails.
        buns: Buns. All others have short hair.
        beanies: Beanies.
        caps: Caps with a peak.
        brimmed: Hats with a brim.
        scarves: Scarves.
        shoulder_bags: Bags at the hip, strap on the same side.
        cross_bags: Bags at the hip, strap across the chest.
        hand_bags: Bags and shopping bags in a hand.
        backpacks: Backpacks.
        heels: Shoes with heels of 4 cm and more.
    """

    trousers: float = 0.60
    shorts: float = 0.10
    skirts: float = 0.15
    dresses: float = 0.15
    wide: float = 0.3
    jackets: float = 0.22
    coats: float = 0.18
    open: float = 0.5
    bobs: float = 0.12
    loose_hair: float = 0.20
    ponytails: float = 0.08
    buns: float = 0.05
    beanies: float = 0.04
    caps: float = 0.03
    brimmed: float = 0.03
    scarves: float = 0.10
    shoulder_bags: float = 0.12
    cross_bags: float = 0.10
    hand_bags: float = 0.10
    backpacks: float = 0.08
    heels: float = 0.20


@dataclass(frozen=True)
class Clothes:
    """What one person wears; measures (lengths, widths) follow from the seed.

    Attributes:
        bottom: Garment of the lower body; a dress is the upper garment too.
        wide: Whether trousers are wide.
        outerwear: Jacket or coat.
        open: Whether the jacket or coat is worn open.
        hair: Style of the hair.
        hat: Kind of hat.
        scarf: Whether a scarf is worn.
        bag: Kind of bag.
        heel_m: Height of the heels, metres; 0 for flat shoes.
        tight: Whether shirt and trousers lie close to the body; with trousers or shorts.
        seed: Seed of the measures.
    """

    bottom: Bottom = "trousers"
    wide: bool = False
    outerwear: Outerwear = "none"
    open: bool = False
    hair: HairStyle = "short"
    hat: Hat = "none"
    scarf: bool = False
    bag: Bag = "none"
    heel_m: float = 0.0
    tight: bool = False
    seed: int = 0


def sample_clothes(rng: np.random.Generator, frequencies: WardrobeFrequencies | None = None) -> Clothes:
    """Samples what a person wears, each kind independently of the others."""
    f = frequencies or WardrobeFrequencies()

    def one_of(**shares: float) -> str:
        names = (*shares, "none")
        rest = 1 - sum(shares.values())
        return str(rng.choice(names, p=(*shares.values(), max(rest, 0.0))))

    bottom = one_of(trousers=f.trousers, shorts=f.shorts, skirt=f.skirts, dress=f.dresses)
    hair = one_of(bob=f.bobs, long=f.loose_hair, ponytail=f.ponytails, bun=f.buns)
    return Clothes(
        bottom=bottom,  # pyright: ignore[reportArgumentType]
        wide=bool(rng.random() < f.wide) and bottom == "trousers",
        outerwear=(outer := one_of(jacket=f.jackets, coat=f.coats)),  # pyright: ignore[reportArgumentType]
        open=bool(rng.random() < f.open) and outer != "none",
        hair="short" if hair == "none" else hair,  # pyright: ignore[reportArgumentType]
        hat=one_of(beanie=f.beanies, cap=f.caps, brimmed=f.brimmed),  # pyright: ignore[reportArgumentType]
        scarf=bool(rng.random() < f.scarves),
        bag=one_of(  # pyright: ignore[reportArgumentType]
            shoulder=f.shoulder_bags, across=f.cross_bags, hand=f.hand_bags, backpack=f.backpacks
        ),
        heel_m=float(rng.uniform(0.04, 0.09)) if rng.random() < f.heels else 0.0,
        seed=int(rng.integers(2**31)),
    )
