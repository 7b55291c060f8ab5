"""A recipe's names, and what the caller passes in their place, as objects: resolved once, before a fit begins."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render_fit.bodies import load_body_or_fail
from render_fit.bodies.body import Body
from render_fit.core.errors import InputError
from render_fit.core.registry import check_callable
from render_fit.fitting.recipe import Recipe
from render_fit.fitting.regressor_initialisation import cached_regressor
from render_fit.fitting.solvers import Solver, make_solver
from render_fit.losses.registry import Number, weighted_terms
from render_fit.losses.term import Term
from render_fit.regressors.network import Regressor
from render_fit.renderers import checked_renderer, make_renderer
from render_fit.renderers.base import Renderer


@dataclass(frozen=True)
class ResolvedRecipe:
    """A recipe and the objects that take part in a fit by it.

    Attributes:
        recipe: The recipe, with the regressor that was requested.
        body: Body model M.
        renderer: Renderer R.
        regressor: Network whose hypotheses the search starts from, or None.
        terms: Own terms: name → (weight, term).
        solver: Own solver, in place of those of the stages, or None.
        objects: Description of what was passed beside the recipe: body, renderer, regressor, solver, terms.
    """

    recipe: Recipe
    body: Body
    renderer: Renderer
    regressor: Regressor | None
    terms: Mapping[str, tuple[float, Term]]
    solver: Solver | None
    objects: Mapping[str, Any]

    def record(self) -> dict[str, Any]:
        """The recipe as plain data, for a report; with own objects it is marked as not reproducible from YAML alone."""
        own = {"objects": dict(self.objects), "reproducible_from_yaml": False} if self.objects else {}
        return {**self.recipe.resolved(), **own}


def resolve(
    recipe: Recipe,
    *,
    body: Body | str | Path | None = None,
    renderer: Renderer | str | None = None,
    regressor: Regressor | str | Path | None = None,
    solver: Solver | str | None = None,
    terms: Mapping[str, Number | tuple[Number, Term]] | None = None,
) -> ResolvedRecipe:
    """Makes the objects of a fit; see ``fit_image`` for the arguments.

    Raises:
        InputError: if a name is not known, an object cannot be used as what it was passed for, or an own term has the
            name of one of the recipe's.
    """
    objects: dict[str, Any] = {}
    if not isinstance(regressor, (Regressor, str, Path, type(None))):
        raise InputError(f"regressor: expected an object of Regressor, a name or a path, got {regressor!r}")
    if isinstance(regressor, Regressor):
        objects["regressor"] = _described(regressor)
        recipe = recipe.with_regressor(objects["regressor"]["type"])
    elif regressor is not None:
        recipe = recipe.with_regressor(str(regressor))
    if not isinstance(regressor, Regressor):
        name = recipe.initialisation.regressor
        regressor = cached_regressor(name) if name else None
    if isinstance(body, (str, Path)) or body is None:
        recipe = recipe if body is None else recipe.model_copy(update={"body": str(body)})
        body = load_body_or_fail(recipe.body, recipe.n_betas)
    elif isinstance(body, Body):
        objects["body"] = {**_described(body), "name": body.name}
        recipe = recipe.model_copy(update={"n_betas": min(recipe.n_betas, body.n_betas)})
    else:
        raise InputError(f"body: expected an object of Body, a name or a path, got {body!r}")
    if isinstance(renderer, str) or renderer is None:
        recipe = recipe if renderer is None else recipe.model_copy(update={"renderer": renderer})
        renderer = make_renderer(recipe.renderer)
    else:
        objects["renderer"] = _described(checked_renderer(renderer))
    if isinstance(solver, str):
        solver = make_solver(solver)
    elif solver is not None:
        check_callable("solver", solver, ["function", "start", "scales", "iterations", "tolerance", "progress"])
    if solver is not None:
        objects["solver"] = _described(solver)
    own = weighted_terms(terms or {})
    taken = {"height", "weight", *recipe.final.terms, *(name for stage in recipe.stages for name in stage.terms)}
    for name, (weight, term) in own.items():
        if name in taken:
            raise InputError(f"terms: the recipe has a term {name!r} already; choose another name")
        objects.setdefault("terms", {})[name] = {"weight": weight, **_described(term)}
    return ResolvedRecipe(recipe, body, renderer, regressor, own, solver, objects)


def _described(thing: object) -> dict[str, str]:
    """Qualified name of a function or of an object's class, and the first line of its representation."""
    kind = thing if inspect.isfunction(thing) else type(thing)
    return {"type": f"{kind.__module__}.{kind.__qualname__}", "repr": repr(thing).splitlines()[0]}
