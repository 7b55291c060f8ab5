"""Imports run one way and without circles (docs/architecture.md); importing the command line stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import render_fit

PACKAGE = Path(render_fit.__file__).parent

Module = tuple[str, ...]
Graph = dict[Module, set[Module]]

# What may import what: a component may import those on lines above it, and itself.
LAYERS = (
    {"core"},
    {"bodies", "renderers", "observations", "datasets"},
    {"measurements"},
    {"losses", "regressors"},
    {"fitting", "synthesis"},
    {"export", "training"},
    {"exchange"},
    {"pipelines"},
    {"evaluation"},
    {"cli"},
    {"__main__"},
)
RANK = {component: rank for rank, layer in enumerate(LAYERS) for component in layer}

# What files must not import, not even through other files. Renderers and fits are evaluated on synthetic scenes, so the
# scenes must not come from those renderers.
NEVER = {
    ("render_fit", "synthesis", file): "renderers"
    for file in ("__init__", "independent_rasterizer", "annotations", "scene", "clothed_people", "moving_people")
}


def imported_modules(source: str, module: Module) -> set[Module]:
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


def violations(files: dict[Module, str]) -> list[str]:
    found = []
    for module, source in files.items():
        component = module[1]
        for name in imported_modules(source, module):
            other = name[1] if len(name) > 1 else ""
            if other in RANK and other != component and RANK[other] >= RANK[component]:
                found.append(f"{'.'.join(module)} imports {'.'.join(name)}")
    return found


def imported_files(files: dict[Module, str]) -> Graph:
    """For each file, the files that it imports anywhere in it."""
    graph: Graph = {}
    for module, source in files.items():
        graph[module] = set()
        for name in imported_modules(source, module):
            prefixes = (name[:length] for length in range(len(name), 1, -1))
            known = (file for prefix in prefixes for file in (prefix, (*prefix, "__init__")) if file in files)
            graph[module] |= set([next(known, module)]) - {module}
    return graph


def packages_of(module: Module) -> set[Module]:
    return {(*module[:length], "__init__") for length in range(2, len(module))}


def forbidden(files: dict[Module, str], never: dict[Module, str]) -> list[str]:
    """Paths from files to components that they must not import. Importing a file also imports its packages."""
    graph, found = imported_files(files), []
    for start, component in never.items():
        paths = {start: [start]}
        for module in (queue := [start]):
            for other in sorted(graph[module] | packages_of(module) & graph.keys()):
                if other not in paths:
                    paths[other] = [*paths[module], other]
                    queue.append(other)
        found += [" → ".join(map(".".join, path)) for end, path in paths.items() if end[1] == component]
    return found


def circle(graph: Graph) -> list[str]:
    """One circle of files that import each other, if there is any."""
    finished: set[Module] = set()

    def search(path: list[Module]) -> list[Module]:
        for other in sorted(graph[path[-1]] - finished):
            if found := path[path.index(other) :] if other in path else search([*path, other]):
                return found
        finished.add(path[-1])
        return []

    return [".".join(module) for module in next(filter(None, (search([module]) for module in sorted(graph))), [])]


def package_files() -> dict[Module, str]:
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


def test_scenes_are_independent_of_the_renderers():
    files = package_files()
    assert NEVER.keys() <= files.keys()
    assert forbidden(files, NEVER) == []


def test_the_rule_of_independence_notices_a_detour():
    scene = ("render_fit", "synthesis", "scene")
    files = {
        scene: "from render_fit.observations.images import read",
        ("render_fit", "observations", "images"): "",
        ("render_fit", "observations", "__init__"): "def f():\n    from render_fit.renderers import cpu",
        ("render_fit", "renderers", "cpu"): "",
    }
    assert forbidden(files, {scene: "renderers"}) == [
        "render_fit.synthesis.scene → render_fit.observations.images → render_fit.observations.__init__"
        " → render_fit.renderers.cpu"
    ]
    assert forbidden(files, {scene: "losses"}) == []


def test_no_files_import_each_other_in_a_circle():
    assert circle(imported_files(package_files())) == []


def test_the_rule_of_circles_notices_one():
    files = {
        ("render_fit", "bodies", "__init__"): "from render_fit.bodies.body import Body",
        ("render_fit", "bodies", "body"): "def f():\n    from . import landmarks",
        ("render_fit", "bodies", "landmarks"): "from render_fit.bodies import Body",
        ("render_fit", "losses", "term"): "from render_fit.bodies import body",
    }
    names = ["render_fit.bodies.__init__", "render_fit.bodies.body", "render_fit.bodies.landmarks"]
    assert circle(imported_files(files)) == names
    files["render_fit", "bodies", "landmarks"] = "import numpy"
    assert circle(imported_files(files)) == []


def test_the_command_line_starts_without_torch():
    # torch alone takes seconds to import; `render-fit --help` has to answer at once
    code = "import sys, render_fit.cli; print(sorted({'torch', 'numba', 'mediapipe', 'scipy'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
