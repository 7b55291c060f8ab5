"""Imports that other libraries make when they are imported, put off until what was imported is used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands in for a module, which is imported when an attribute is used that the stand-in does not have."""

    def __getattr__(self, name: str) -> Any:
        _remove(self)
        return getattr(import_module(self.__name__), name)


@contextmanager
def deferred(name: str, **attributes: Any) -> Iterator[None]:
    """Modules that are imported in the block get a stand-in where they import a certain module.

    The stand-in imports the module when it is used, so nothing changes but the time of the import. After the block the
    stand-in is known to those modules only. If the module is imported already, they get the module itself; if it is not
    installed, they get the usual error.

    Args:
        name: Dotted name of the module.
        attributes: Attributes whose use does not import the module.
    """
    spec = None if name in sys.modules else find_spec(name)
    if spec is None:
        yield
        return
    module = _Deferred(name)
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    vars(module).update(attributes)
    sys.modules[name] = module
    try:
        yield
    finally:
        _remove(module)


def _remove(module: _Deferred) -> None:
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]
