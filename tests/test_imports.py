"""Imports run one way, bottom to top (docs/architecture.md); importing the command line stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import render_fit

PACKAGE = Path(render_fit.__file__).parent

# What may import what: a component may import those on lines above it, and itself.
LAYERS = (
    {"core"},
    {"bodies", "renderers", "observations", "datasets"},
    {"losses", "regressors"},
    {"fitting", "synthesis"},
    {"export", "training"},
    {"pipelines"},
    {"evaluation"},
    {"cli"},
    {"__main__"},
)
RANK = {component: rank for rank, layer in enumerate(LAYERS) for component in layer}


def imported_modules(source: str, module: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Dotted names, as tuples, of every module of render_fit that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = module[: len(module) - node.level] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            found |= {(*base, alias.name) for alias in node.names}
    return {name for name in found if name[0] == "render_fit"}


def violations(files: dict[tuple[str, ...], str]) -> list[str]:
    found = []
    for module, source in files.items():
        component = module[1]
        for name in imported_modules(source, module):
            other = name[1] if len(name) > 1 else ""
            if other in RANK and other != component and RANK[other] >= RANK[component]:
                found.append(f"{'.'.join(module)} imports {'.'.join(name)}")
    return found


def package_files() -> dict[tuple[str, ...], str]:
    files = {}
    for path in PACKAGE.rglob("*.py"):
        module = ("render_fit", *path.relative_to(PACKAGE).with_suffix("").parts)
        if module != ("render_fit", "__init__"):
            files[module] = path.read_text(encoding="utf-8")
    return files


def test_every_component_has_a_place():
    assert {module[1] for module in package_files()} <= set(RANK)


def test_imports_run_one_way():
    assert violations(package_files()) == []


def test_the_rule_notices_a_violation():
    files = {
        ("render_fit", "bodies", "body"): "from render_fit.losses.term import Term",
        ("render_fit", "renderers", "cpu"): "def f():\n    import render_fit.bodies.body",
        ("render_fit", "losses", "term"): "from ..bodies import body",
    }
    assert sorted(violations(files)) == [
        "render_fit.bodies.body imports render_fit.losses.term.Term",
        "render_fit.renderers.cpu imports render_fit.bodies.body",
    ]


def test_the_command_line_starts_without_torch():
    # torch alone takes seconds to import; `render-fit --help` has to answer at once
    code = "import sys, render_fit.cli; print(sorted({'torch', 'numba', 'mediapipe', 'scipy'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
