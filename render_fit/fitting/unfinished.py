"""Fits of single images that are kept while a person in many of them is fitted, so that a stopped run can go on.

One safetensors file holds the fits of a batch: tensors by name, everything else as JSON in its header. Files of other
inputs, options or versions are not used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from render_fit.core.files import write_bytes
from render_fit.fitting.context import FitContext
from render_fit.fitting.fit import Fitted
from render_fit.fitting.recipe import Stage
from render_fit.fitting.result import versions
from render_fit.fitting.solvers import Status
from render_fit.fitting.stages import StageRecord
from render_fit.fitting.variables import Variables

_HYPOTHESES = ("found", "before", "best")


class UnfinishedFits:
    """Batches of single fits in a folder.

    Args:
        folder: Folder of the files; made when the first is written.
        made_from: What the fits depend on, as JSON values.
    """

    def __init__(self, folder: Path, made_from: Mapping[str, Any]) -> None:
        self.folder = folder
        content = json.dumps({"made_from": made_from, "versions": versions()}, sort_keys=True, default=str)
        self._key = hashlib.sha256(content.encode()).hexdigest()

    def batch(self, name: str, contexts: Sequence[FitContext], fit: Callable[[], list[Fitted]]) -> list[Fitted]:
        """The fits of a batch, read if they are there, or else made and written.

        Args:
            name: Name of the batch; a file name.
            contexts: Its images; what the fits found out about them is set.
            fit: Makes the fits.

        Raises:
            OutputError: if the file cannot be written.
        """
        path = self.folder / f"{name}.safetensors"
        kept = self._read(path, contexts)
        if kept is not None:
            return kept
        fitted = fit()
        tensors: dict[str, Tensor] = {}
        written = [
            _plain(f"{i}.", context, one, tensors)
            for i, (context, one) in enumerate(zip(contexts, fitted, strict=True))
        ]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, save(tensors, metadata={"key": self._key, "fits": json.dumps(written)}))
        return fitted

    def remove(self) -> None:
        """Removes the folder: the person is fitted."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, path: Path, contexts: Sequence[FitContext]) -> list[Fitted] | None:
        """Fits of a file; None if there is none, or it is of something else or damaged."""
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            written = json.loads(header["fits"])
            if header.get("key") != self._key or len(written) != len(contexts):
                return None
            pairs = enumerate(zip(contexts, written, strict=True))
            return [_fitted(f"{i}.", context, one, tensors) for i, (context, one) in pairs]
        except Exception:  # safetensors refuses damaged files in many ways; the batch is fitted again
            return None


def _plain(prefix: str, context: FitContext, fitted: Fitted, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """One fit as JSON values; its tensors are added to ``tensors``, with names that begin with the prefix."""
    for name in _HYPOTHESES:
        _put(f"{prefix}{name}.", getattr(fitted, name), tensors)
    if context.looseness_scale is not None:
        tensors[f"{prefix}looseness"] = context.looseness_scale.clone()
    records = []
    for i, record in enumerate(fitted.records):
        _put(f"{prefix}{i}.", record.solved, tensors)
        tensors[f"{prefix}{i}.losses"] = record.losses.clone()
        records.append(
            {
                "stage": record.stage.model_dump(mode="json"),
                "seconds": record.seconds,
                "evaluations": record.evaluations,
                "status": [status.name for status in record.status],
                "moved": record.moved,
                "kept": list(record.kept),
            }
        )
    return {"records": records, "moved": fitted.moved, "notes": fitted.notes}


def _fitted(prefix: str, context: FitContext, plain: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Fitted:
    """The inverse of `_plain`; sets what the fit found out about the image."""
    hypotheses = {name: _taken(f"{prefix}{name}.", context, tensors) for name in _HYPOTHESES}
    records = [
        StageRecord(
            Stage.model_validate(record["stage"]),
            record["seconds"],
            record["evaluations"],
            tuple(Status[name] for name in record["status"]),
            _taken(f"{prefix}{i}.", context, tensors),
            tensors[f"{prefix}{i}.losses"],
            record["moved"],
            tuple(record["kept"]),
        )
        for i, record in enumerate(plain["records"])
    ]
    if f"{prefix}looseness" in tensors:
        context.looseness_scale = tensors[f"{prefix}looseness"]
    return Fitted(**hypotheses, records=records, moved=plain["moved"], notes=plain["notes"])


def _put(prefix: str, variables: Variables, tensors: dict[str, Tensor]) -> None:
    for field in fields(Variables):
        value = getattr(variables, field.name)
        if isinstance(value, Tensor):
            tensors[prefix + field.name] = value.detach().clone(memory_format=torch.contiguous_format)


def _taken(prefix: str, context: FitContext, tensors: Mapping[str, Tensor]) -> Variables:
    names = {field.name for field in fields(Variables)}
    values = {
        name: value
        for key, value in tensors.items()
        if key.startswith(prefix) and (name := key[len(prefix) :]) in names
    }
    return Variables(**values, pose_vae=context.pose_vae if "latent" in values else None)
