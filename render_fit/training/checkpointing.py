"""Checkpoints: everything that a training needs to resume bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from pydantic import ValidationError

from render_fit.core.errors import InputError
from render_fit.core.files import write_file
from render_fit.regressors.checkpoint import save_regressor
from render_fit.regressors.network import Regressor
from render_fit.training.recipe import TrainingRecipe
from render_fit.training.validation import Score

STATE, REGRESSOR, RECIPE = "state.pt", "regressor.safetensors", "recipe.json"
"""Files of a training folder: the state, the best averaged weights so far, the recipe."""

_NOT_LEARNED = ("description", "source", "validate_every", "save_every")
"""Keys of a recipe on which no step depends: a training goes on with other values of them."""

_ENTRIES = {"recipe", "step", "best", "model", "averaged", "optimiser", "random"}
"""Entries of every state."""


@runtime_checkable
class Stateful(Protocol):
    """An object that keeps something from step to step."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


class TrainingState:
    """State of a training, in memory and on disk.

    Args:
        recipe: Recipe of the training.
        folder: Folder of the training.
        model: Regressor that is trained.
        averaged: Regressor with the averaged weights.
        optimiser: Optimiser of the regressor.
        others: Other objects with a state, by name: photos and supervisions.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        folder: Path,
        model: Regressor,
        averaged: Regressor,
        optimiser: Stateful,
        others: Mapping[str, Stateful],
    ) -> None:
        self.recipe, self.folder = recipe, folder
        self.model, self.averaged, self.optimiser, self.others = model, averaged, optimiser, others
        self.step = 0
        self.best: Score | None = None

    def save(self) -> None:
        """Writes the state, under a temporary name first.

        Raises:
            InputError: if it cannot be written: no space left.
        """
        content = {
            "recipe": self.recipe.model_dump_json(),
            "step": self.step,
            "best": None if self.best is None else self.best.__dict__,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "others": {name: other.state_dict() for name, other in self.others.items()},
        }
        write_file(self.folder / STATE, lambda file: torch.save(content, file))

    def load(self, device: torch.device) -> None:
        """Restores the state in the folder, if there is one.

        Raises:
            InputError: if it cannot be read, or belongs to another recipe, other supervisions or other photos.
        """
        path = self.folder / STATE
        if not path.is_file():
            return
        try:
            content = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # torch reports a damaged file in many ways
            raise InputError(f"{path}: not a readable training state, or cut off; remove it to start again") from error
        if not isinstance(content, dict) or not content.keys() >= _ENTRIES or not isinstance(content["recipe"], str):
            raise InputError(f"{path}: not the state of a training; remove it to start again")
        differing = _differing(content["recipe"], self.recipe)
        if differing:
            raise InputError(
                f"{self.folder}: training of another recipe ({differing}); choose another --out, or remove it"
            )
        try:
            self._restore(content)
        except InputError:
            raise
        except Exception as error:  # torch refuses weights of other shapes and names in many ways
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{path}: does not belong to this training, or is damaged ({reason}); remove it to start again"
            ) from error

    def _restore(self, content: dict[str, Any]) -> None:
        """Takes over the content of a state.

        Raises:
            InputError: if it belongs to other supervisions or other photos.
        """
        saved = content.get("others", {})
        fits = saved.get("photos", {}).pop("fits", None)  # place of the fits before version 0.2
        saved |= {} if fits is None else {"fits": fits}
        if saved.keys() != self.others.keys():
            raise InputError(
                f"{self.folder}: was started {_with(saved)}, not {_with(self.others)}; choose another --out"
            )
        for name, other in self.others.items():
            other.load_state_dict(saved[name])
        self.step = int(content["step"])
        self.best = None if content["best"] is None else Score(**content["best"])
        self.model.load_state_dict(content["model"])
        self.averaged.load_state_dict(content["averaged"])
        self.optimiser.load_state_dict(content["optimiser"])
        torch.set_rng_state(content["random"].cpu())

    def keep_if_best(self, now: Score) -> None:
        """Writes the averaged weights if their score is the best so far."""
        if self.best is None or now.pa_mpjpe_mm < self.best.pa_mpjpe_mm:
            self.best = now
            save_regressor(self.averaged, self.folder / REGRESSOR, note=f"{self.recipe.name}, step {self.step}")


def _differing(saved: str, recipe: TrainingRecipe) -> str:
    """Keys in which a saved recipe differs from another, but for `_NOT_LEARNED`; those that it lacks are defaults."""
    try:
        found = TrainingRecipe.model_validate_json(saved)
    except ValidationError:
        return "not valid in this version"
    keys = [key for key in recipe.differing(found) if key not in _NOT_LEARNED]
    return f"differs in {', '.join(keys)}" if keys else ""


def _with(names: Mapping[str, Any]) -> str:
    return f"with {' and '.join(names)}" if names else "with synthetic people alone"
