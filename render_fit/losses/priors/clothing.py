"""What the clothes that are seen tell of the smooth clothing coefficients: a Gaussian given shares of labels.

The sides of a person that no image sees are dressed by it: what is known of coats from all sides is known of this one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from render_fit.bodies.body import Body
from render_fit.bodies.clothing import UNIT_M, clothing_basis
from render_fit.bodies.mesh_operators import vertex_normals
from render_fit.core.parts import PartSpace

OTHER_BASIS = 0.05
"""Share of a basis that the one that was learned with cannot express, above which it is another basis."""


@dataclass(frozen=True)
class GaussianOfLabels:
    """A Gaussian whose mean is linear in shares of labels, and whose covariance grows with them.

    Attributes:
        lowest: (L,) smallest share of each label that was learned from; shares are held within these bounds.
        highest: (L,) largest.
        mean: (1 + L, M) centimetres of root-mean-square displacement: constant, and per share.
        precision: (M, M) inverse covariance of usual clothes.
        log_scale: (1 + L,) logarithm of the factor of the covariance: constant, and per share.
    """

    lowest: Float[Tensor, "l"]
    highest: Float[Tensor, "l"]
    mean: Float[Tensor, "k m"]
    precision: Float[Tensor, "m m"]
    log_scale: Float[Tensor, "k"]

    def __call__(self, shares: Float[Tensor, "n l"]) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m m"]]:
        """Mean and inverse covariance of the coefficients.

        Args:
            shares: (N, L) share of the person's pixels that each label has.

        Differentiability: piecewise linear in the shares; nothing differentiates it.
        """
        held = torch.minimum(torch.maximum(shares, self.lowest), self.highest)
        features = torch.cat([held.new_ones(len(held), 1), held], dim=1)
        scale = (features @ self.log_scale).exp()
        return features @ self.mean, self.precision / scale[:, None, None]


@dataclass(frozen=True)
class ClothingPrior:
    """Gaussians of the clothing coefficients of one body model's basis.

    Attributes:
        by_space: For each label space with clothes by name.
        n_vertices: Number of vertices of the body.
        vertices: (S,) some of them.
        functions: (S, M) displacement of these vertices along their normal per coefficient, centimetres.
    """

    by_space: dict[str, GaussianOfLabels]
    n_vertices: int
    vertices: Int64[Tensor, "s"]
    functions: Float[Tensor, "s m"]

    @staticmethod
    def from_file(path: Path) -> ClothingPrior:
        """Reads what `scripts/fit_clothing_prior.py` writes."""
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: torch.from_numpy(data[name]) for name in data.files if data[name].dtype.kind in "fi"}
        names = sorted({name.partition(".")[0] for name in arrays if "." in name})
        members = [field.name for field in fields(GaussianOfLabels)]
        by_space = {
            name: GaussianOfLabels(*(arrays[f"{name}.{member}"].float() for member in members)) for name in names
        }
        return ClothingPrior(
            by_space, int(arrays["n_vertices"]), arrays["vertices"].long(), arrays["functions"].float()
        )

    def of_body(self, body: Body) -> ClothingPrior | None:
        """The same Gaussians of the coefficients of a body's basis; None if they mean something else there.

        Eigenfunctions have no sign, and those of nearly equal frequency mix: each machine may find others.
        """
        if body.n_vertices != self.n_vertices:
            return None
        here, learned = basis_functions(body, self.functions.shape[1])[self.vertices].double(), self.functions.double()
        # from coefficients here to those learned; the default driver's rounding is random
        change = torch.linalg.lstsq(learned, here, driver="gelsd").solution
        if float((learned @ change - here).square().mean()) > OTHER_BASIS**2 * float(here.square().mean()):
            return None
        back = torch.linalg.inv(change)

        def changed(one: GaussianOfLabels) -> GaussianOfLabels:
            precision = change.T @ one.precision.double() @ change
            return replace(one, mean=(one.mean.double() @ back.T).float(), precision=precision.float())

        return replace(
            self, functions=here.float(), by_space={name: changed(one) for name, one in self.by_space.items()}
        )

    def given(
        self, space: PartSpace | None, shares: Float[Tensor, "n l"] | None
    ) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m m"]] | None:
        """Mean and inverse covariance of the coefficients of people, by what is seen of their clothes.

        Args:
            space: Meaning of the labels; None without.
            shares: (N, L) share of each person's pixels that each label has (`label_shares`); None without labels.

        Returns:
            None without labels of clothes: the mean of trousers and skirts is neither.
        """
        if space is None or shares is None or space.name not in self.by_space:
            return None
        return self.by_space[space.name](shares)


@lru_cache(maxsize=4)
def clothing_prior_of(body: Body) -> ClothingPrior | None:
    """The shipped prior, learned from synthetic people on the open body, if it holds for a body's basis."""
    with resources.as_file(resources.files("render_fit.losses.priors") / "assets" / "clothing.npz") as path:
        return ClothingPrior.from_file(path).of_body(body)


def basis_functions(body: Body, count: int) -> Float[Tensor, "v m"]:
    """Displacement along the normal per coefficient of a body's smooth clothing, in units of `UNIT_M`."""
    normals = vertex_normals(body.v_template, body.faces)
    return (clothing_basis(body, count).directions * normals[..., None]).sum(dim=1) / UNIT_M


def label_shares(labels: Tensor, space: PartSpace) -> Float[Tensor, "l"]:
    """Share of each label in the pixels of a person and their clothes; background and bags have none.

    Args:
        labels: (H, W) label map.
        space: Meaning of the labels.
    """
    counts = torch.bincount(labels.flatten().long(), minlength=len(space)).float()
    own = torch.zeros_like(counts)
    own[list(space.person_labels)] = counts[list(space.person_labels)]
    return own / own.sum().clamp(min=1.0)
