"""Validated configuration: YAML files whose unknown keys are errors that name the nearest known key."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from importlib import resources
from typing import Any, ClassVar, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from render_fit.core.errors import InputError

log = logging.getLogger(__name__)

R = TypeVar("R", bound="StrictModel")


class StrictModel(BaseModel):
    """A section of a recipe: unknown keys are errors, values do not change after loading.

    Attributes:
        renamed: Old name of a key → its current name. Old names are accepted, with a warning, for one release.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    renamed: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _accept_old_names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for old in cls.renamed.keys() & data.keys():
            if cls.renamed[old] not in data:
                log.warning("key %r is now called %r; the next release removes the old name", old, cls.renamed[old])
                data = {key: value for key, value in data.items() if key != old} | {cls.renamed[old]: data[old]}
        return data

    def differing(self, other: StrictModel) -> list[str]:
        """Keys, with those of their sections before them, whose values differ from another's."""
        found = []
        for key in type(self).model_fields:
            mine, theirs = getattr(self, key), getattr(other, key, None)
            if isinstance(mine, StrictModel) and isinstance(theirs, type(mine)):
                found += [f"{key}.{inner}" for inner in mine.differing(theirs)]
            elif mine != theirs:
                found.append(key)
        return found

    def model_copy(self: R, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> R:
        """Copies the section with some values replaced; these are not validated.

        Raises:
            KeyError: if ``update`` names a key that the section does not have.
        """
        for key in update or {}:
            if key not in type(self).model_fields:
                raise KeyError(
                    f"{type(self).__name__} has no key {key!r}: {nearest(key, list(type(self).model_fields))}"
                )
        return super().model_copy(update=update, deep=deep)


def shipped_recipes(package: str) -> list[str]:
    """Names of the recipes in the folder ``recipes`` of a package."""
    folder = resources.files(package) / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def shipped_recipe(package: str, name: str, kind: str) -> str:
    """Text of a recipe in the folder ``recipes`` of a package.

    Args:
        package: Name of the package.
        name: Name of the recipe.
        kind: What such recipes are called in messages.

    Raises:
        InputError: if there is no such recipe; names the nearest one.
    """
    names = shipped_recipes(package)
    if name not in names:
        raise InputError(f"{kind} {name!r}: {nearest(name, names)}, nor is it a file")
    return (resources.files(package) / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def parse_yaml(text: str, prefix: str, kind: type[R]) -> R:
    """Parses and validates a recipe.

    Args:
        text: YAML text.
        prefix: Start of error messages: the recipe's name or file.
        kind: Class of the recipe.

    Raises:
        InputError: if it is no YAML, or has unknown keys or values out of range; the message has all of them.
    """
    try:
        data = yaml.safe_load(text)
    except Exception as error:  # what YAML makes of dates, numbers and nested text fails in many ways
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{prefix}: not valid YAML: {reason[0]}") from error
    if not isinstance(data, dict):
        raise InputError(f"{prefix}: expected a mapping of keys at the top, got {type(data).__name__}")
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{prefix}: {_explain(error, kind)}") from error


def _explain(error: ValidationError, recipe: type[StrictModel]) -> str:
    """All errors of a recipe, in one line; for a misspelt key, with the nearest known one."""
    # A misspelt key is reported before the required one that is missing because of it.
    errors = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    found = []
    for one in errors:
        place = ".".join(str(step) for step in one["loc"])
        if one["type"] == "extra_forbidden":
            hint = nearest(str(one["loc"][-1]), _known_keys(one["loc"][:-1], recipe))
            found.append(f"unknown key {place!r}: {hint}")
        else:
            message = one["msg"].removeprefix("Value error, ")
            found.append(f"{place}: {message}" if place else message)
    return "; ".join(found)


def _known_keys(place: tuple[int | str, ...], recipe: type[BaseModel]) -> list[str]:
    """The valid keys of the section at ``place``."""
    section: type[BaseModel] = recipe
    for step in place:
        field = section.model_fields.get(str(step))
        if field is not None:
            section = _section(field.annotation) or section
    return list(section.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model class in a field's type: the type itself, or the element of a mapping or sequence."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section, get_args(annotation))), None)


def nearest(word: str, known: list[str]) -> str:
    """Sentence that names the known word nearest to an unknown one, or all known words."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    return f"not known; {hint}"
