"""The public API: every name of ``render_fit.__all__`` with its signature is as committed in tests/public_api.txt.

After a deliberate change: ``python tests/test_public_api.py > tests/public_api.txt``, and a line in the changelog.
"""

from __future__ import annotations

import ast
import enum
import inspect
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

import render_fit

LIST = Path(__file__).with_name("public_api.txt")


def signature(function: object) -> str:
    """Names, annotations and defaults as they are written; long defaults as ``...``."""
    found = inspect.signature(function)  # type: ignore[arg-type]
    parameters = []
    for parameter in found.parameters.values():
        default = parameter.default if len(repr(parameter.default)) <= 40 else ...
        parameters.append(parameter.replace(default=default))
    text = str(found.replace(parameters=parameters))
    return text.replace("= Ellipsis", "= ...").replace("'", "").replace('"', "")


def described(name: str, thing: object) -> list[str]:
    """One line for a function; for a class one each for constructor, public methods and properties."""
    if isinstance(thing, ModuleType):
        functions = inspect.getmembers(thing, inspect.isfunction)
        own = {key: value for key, value in functions if value.__module__ == thing.__name__ and key[0] != "_"}
        return [f"{name} (module)", *(f"{name}.{key}{signature(value)}" for key, value in own.items())]
    if not inspect.isclass(thing):
        return [f"{name}{signature(thing)}"]
    if issubclass(thing, Exception):
        return [f"{name} ({', '.join(base.__name__ for base in thing.__bases__)})"]
    if issubclass(thing, enum.Enum):
        return [f"{name}: {', '.join(thing.__members__)}"]
    if issubclass(thing, BaseModel):  # pydantic writes annotations in its own way, which changes with its version
        fields = thing.model_fields.items()
        lines = [f"{name}({', '.join(key if field.is_required() else f'{key}=...' for key, field in fields)})"]
    else:
        lines = [f"{name} (protocol)" if getattr(thing, "_is_protocol", False) else f"{name}{signature(thing)}"]
    members = {}
    for parent in reversed(thing.__mro__):
        if parent.__module__.startswith("render_fit."):
            members |= vars(parent)
    for key, member in sorted(members.items()):
        function = getattr(member, "__func__", member)
        if key[0] == "_" and key != "__call__":
            continue
        if inspect.isfunction(function):
            lines.append(f"{name}.{key}{signature(function)}")
        elif isinstance(member, (property, cached_property)):
            lines.append(f"{name}.{key}")
    return lines


def test_the_public_names_and_signatures_are_the_committed_ones():
    command = [sys.executable, __file__]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=LIST.parents[1]).stdout
    committed = LIST.read_text(encoding="utf-8").splitlines()
    gone, new = set(committed) - set(found.splitlines()), set(found.splitlines()) - set(committed)
    assert not gone and not new, f"the public API changed; see {Path(__file__).name}\n- {gone}\n+ {new}"


def test_every_public_name_exists_once_and_is_listed():
    assert len(set(render_fit.__all__)) == len(render_fit.__all__)
    assert set(render_fit.__all__) <= set(dir(render_fit))
    for_type_checkers = {
        node.module.removeprefix("render_fit."): {alias.name for alias in node.names}
        for node in ast.walk(ast.parse(Path(render_fit.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("render_fit.")
    }
    assert for_type_checkers == {module: set(names) for module, names in render_fit._HOME.items()}
    for name in render_fit.__all__:
        assert getattr(render_fit, name).__name__.rsplit(".", 1)[-1] == name
    assert not hasattr(render_fit, "fit_imgae")


def test_every_name_is_found_by_a_process_that_has_imported_nothing_else():
    code = "import render_fit as rf\nfor name in {names}: getattr(rf, name)"
    for names in (["metrics"], list(reversed(render_fit.__all__))):
        subprocess.run([sys.executable, "-c", code.format(names=names)], check=True, cwd=LIST.parents[1])


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, render_fit; print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


if __name__ == "__main__":
    for public in render_fit.__all__:
        print("\n".join(described(public, getattr(render_fit, public))))
