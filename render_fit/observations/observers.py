"""Observers: what they are, and those that are known by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from render_fit.core.config import parse_yaml
from render_fit.core.errors import InputError
from render_fit.core.observer_choice import parse_observer
from render_fit.core.registry import Registry
from render_fit.core.text_files import read_text
from render_fit.observations.blazepose.clothing_observer import BlazePosePartsObserver
from render_fit.observations.blazepose.observer import BlazePoseObserver
from render_fit.observations.hub.observer import TransformersObserver
from render_fit.observations.mediapipe_observer import MediapipeObserver
from render_fit.observations.observation import Box, Observation


@runtime_checkable
class Observer(Protocol):
    """Finds people in an image, and observes one person."""

    name: str

    def observe(self, image: Float[Tensor, "3 h w"], box: Box | None = None) -> Observation:
        """Observes the person in the box (pixels), or the largest one; raises NoPersonError if none is found."""
        ...

    def find_people(self, image: Float[Tensor, "3 h w"], everyone: bool = False) -> list[Box]:
        """Boxes (pixels) of the people in the image, the largest first; ``everyone``: search parts of it too."""
        ...


@runtime_checkable
class PeopleObserver(Observer, Protocol):
    """An observer that observes everybody at once. With others, the people found are observed one by one."""

    def observe_people(self, images: Sequence[Float[Tensor, "3 _ _"]]) -> list[list[Observation]]:
        """Observes all people of several photos, in each the largest first."""
        ...


OBSERVERS: Registry[Observer] = Registry(
    "observer",
    "render_fit.observers",
    {
        "blazepose": BlazePoseObserver,
        "blazepose-parts": BlazePosePartsObserver,
        "mediapipe": MediapipeObserver,
        "transformers": TransformersObserver,
    },
)
"""Observers by name, the default first. Making one may raise MissingDependencyError."""


def make_observer(choice: str) -> Observer:
    """Makes an observer.

    Args:
        choice: Its name, or ``NAME:FILE`` with a YAML file of its settings, if its class has a ``settings_class``.

    Raises:
        InputError: if there is none of that name, the file cannot be used, or the observer cannot be made with it.
        MissingDependencyError: if it needs a package that is not installed.
    """
    chosen = parse_observer(choice)
    factory: Any = OBSERVERS[chosen.name]
    if chosen.settings is None:
        return factory()
    settings_class = getattr(factory, "settings_class", None)
    if settings_class is None:
        raise InputError(f"observer {chosen.name!r} has no settings; give its name without {chosen.settings}")
    text = read_text(chosen.settings, f"settings of the observer {chosen.name!r} (YAML)")
    return factory(parse_yaml(text, str(chosen.settings), settings_class))


def gives_labels(observer: Observer | type[Observer] | Any) -> bool:
    """Whether an observer, or its class, gives label maps."""
    return bool(getattr(observer, "observes_labels", False))
