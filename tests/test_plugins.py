"""docs/extending.md: its examples run, and as an installed package its objects are found by name."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import render_fit as rf
from render_fit.core.registry import Registry
from render_fit.fitting.person import fit_person
from render_fit.fitting.resolve import resolve
from render_fit.observations import OBSERVERS
from render_fit.renderers import RENDERERS
from render_fit.synthesis import everyday_pose, synthetic_scene
from tests.photos import QUICK_RECIPE, write_recipe

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
IMPORTS = re.sub(r"^from render_fit.*\n|^(?!from|import).*\n", "", EXAMPLES[0], flags=re.MULTILINE)
DEFINITIONS = [code for code in EXAMPLES if re.search(r"^(class|def) ", code, re.MULTILINE)]
(TOML,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def photo(tmp_path, monkeypatch) -> Path:
    """``photo.jpg`` in the current folder: a bright box on a dark ground."""
    picture = np.zeros((96, 64, 3), np.uint8)
    picture[16:80, 20:44] = 255
    Image.fromarray(picture).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photo.jpg"


@pytest.fixture
def installed(tmp_path, monkeypatch) -> None:
    """The page's definitions and entry points as a package on the path, the way an installer leaves it."""
    site = tmp_path / "site"
    (site / "my_package-1.0.dist-info").mkdir(parents=True)
    (site / "my_package-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0")
    entries = re.sub(r'\[project\.entry-points\."(.*)"\]', r"[\1]", TOML).replace('"', "")
    entries = entries.replace("[render_fit.terms]\n", "[render_fit.terms]\nbroken = no_such_module:Term\nshape = x:y\n")
    (site / "my_package-1.0.dist-info" / "entry_points.txt").write_text(entries)
    (site / "my_package.py").write_text("\n".join([IMPORTS, *DEFINITIONS]))
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "my_package", raising=False)


def person(name: str = "walking") -> rf.Observation:
    return synthetic_scene(rf.open_body(), everyday_pose(name), seed=1).observation(parts=False)


def recipe_with(**changes) -> rf.Recipe:
    return rf.Recipe.model_validate({**yaml.safe_load(QUICK_RECIPE), **changes})


def spine(result: rf.FitResult) -> float:
    return float(result.parameters.pose[:, [3, 6, 9]].square().sum())


def test_the_examples_run(tmp_path):
    assert len(EXAMPLES) == 15 and EXAMPLES[0].count('"hybrid"') == 1
    namespace = {"__name__": "example"}
    for code in EXAMPLES:
        code = code.replace('"hybrid"', repr(str(write_recipe(tmp_path))))
        exec(compile(code, "docs/extending.md", "exec"), namespace)
    assert namespace["result"].report.recipe["objects"]["regressor"]["type"] == "example.OnePose"


def test_a_registered_term_stands_in_a_recipe_and_changes_the_pose(installed):
    data = yaml.safe_load(QUICK_RECIPE)
    free = rf.fit_image(person(), recipe_with())
    for terms in (*(stage["terms"] for stage in data["stages"]), data["final"]["terms"]):
        terms["straight_back"] = {"weight": 100.0, "options": {"scale": 3.0}}
    held = rf.fit_image(person(), rf.Recipe.model_validate(data))
    assert 0 <= held.report.losses["straight_back"] == pytest.approx(300 * spine(held), rel=1e-3, abs=1e-6)
    assert spine(held) < 0.5 * spine(free)
    assert rf.Recipe.model_validate(held.report.recipe) == rf.Recipe.model_validate(data)
    # The same as an object: added to both stages and to the final objective, and recorded.
    term = rf.make_term("straight_back", {"scale": 3.0})
    passed = rf.fit_image(person(), recipe_with(), terms={"mine": (100.0, term)})
    torch.testing.assert_close(passed.parameters.pose, held.parameters.pose)
    assert passed.report.losses["mine"] == pytest.approx(held.report.losses["straight_back"])
    record = passed.report.recipe
    assert record["reproducible_from_yaml"] is False
    assert record["objects"]["terms"]["mine"] == {
        "weight": 100.0,
        "type": "my_package.StraightBack",
        "repr": "StraightBack(scale=3.0)",
    }


def test_registered_body_renderer_solver_and_regressor_stand_in_a_recipe(installed):
    data = yaml.safe_load(QUICK_RECIPE) | {"body": "small", "renderer": "splat"}
    data["initialisation"] = {"regressor": "one_pose", "use_default_poses": False}
    data["stages"][0]["solver"] = {"name": "descent", "iterations": 5, "options": {"step": 0.1}}
    by_name = rf.fit_image(person(), rf.Recipe.model_validate(data))
    assert by_name.body_name == "small" and "objects" not in by_name.report.recipe
    plain = rf.Recipe.model_validate({**data, "body": "open", "renderer": "auto", "initialisation": {"yaws_deg": [0]}})
    for found in (
        rf.fit_image(person(), plain, body="small", renderer="splat", regressor="one_pose"),
        rf.fit_image(
            person(),
            plain,
            body=rf.load_body("small"),
            renderer=rf.make_renderer("splat"),
            regressor=rf.load_regressor("one_pose"),
        ),
    ):
        assert found.body_name == "small"
        assert found.report.losses["keypoints"] < 1e6
    with pytest.raises(ValueError, match="solver 'descent' has no option 'stepp'; known: step"):
        data["stages"][0]["solver"]["options"] = {"stepp": 1}
        rf.Recipe.model_validate(data)


def test_a_registered_term_between_images_joins_them(installed):
    data = yaml.safe_load(QUICK_RECIPE)
    data["stages"][-1]["free"] = ["orient", "position", "pose", "betas"]

    def spread(weight: float) -> float:
        between = {"still_head": {"weight": weight}} if weight else {}
        resolved = resolve(rf.Recipe.model_validate({**data, "between": between}))
        fit = fit_person([person("walking"), person("waving")], resolved)
        heads = torch.cat([one.parameters.pose[:, 15] for one in fit.results if one is not None])
        assert len(heads) == 2
        return float((heads - heads.mean(dim=0)).square().sum())

    assert spread(1e4) < 0.2 * spread(0.0)


def test_a_registered_observer_observes(installed, photo):
    by_name = rf.observe(photo, observer="bright")[0]
    as_object = rf.observe(photo, observer=OBSERVERS["bright"]())[0]
    assert by_name.mask is not None and torch.equal(by_name.mask, as_object.mask)
    assert by_name.source["mask"] == "bright 1.0" and by_name.keypoints_px is None
    left, top, width, height = by_name.box
    assert abs(left - 20) <= 1 and abs(top - 16) <= 1 and abs(width - 24) <= 2 and abs(height - 64) <= 2


def test_mistakes_are_one_line(installed):
    with pytest.raises(rf.InputError, match="unknown renderer 'splatt'; known: cpu, .*, splat; did you mean 'splat'"):
        rf.make_renderer("splatt")
    with pytest.raises(rf.InputError, match="term 'broken': package my-package registers 'no_such_module:Term', which"):
        rf.make_term("broken")
    assert type(rf.make_term("shape")).__module__ == "render_fit.losses.parameters"  # cannot be replaced
    with pytest.raises(rf.InputError, match="terms: the recipe has a term 'keypoints' already"):
        rf.fit_image(person(), recipe_with(), terms={"keypoints": 1.0})
    assert list(RENDERERS) == ["cpu", "pytorch3d", "reference", "splat"] and len(RENDERERS) == 4


MISUSES = """
import torch
import render_fit as rf
from render_fit.losses.parameters import ShapePrior
class Lazy:
    def __call__(self, vertices): ...
mask = torch.zeros(64, 64)
mask[8:56, 24:40] = 1
observation = rf.Observation.of(torch.zeros(3, 64, 64), mask=mask)
for options in (
    {"renderer": rf.CpuRenderer}, {"renderer": Lazy()}, {"solver": Lazy}, {"solver": Lazy()}, {"body": Lazy()},
    {"regressor": Lazy()}, {"terms": {"own": ShapePrior()}}, {"terms": {"own": (1.0, Lazy)}},
    {"terms": {"own": (1.0, lambda: 0)}},
):
    try:
        rf.fit_image(observation, "smplify", **options)
    except rf.InputError as error:
        print(error)
print(rf.compose(observation, {"silhouette_l2": 200.0, "shape": 1}))
"""


def test_objects_that_cannot_be_used_are_one_line():
    # without the tests' checks of types at run time, as users run it
    lines = subprocess.run(
        [sys.executable, "-c", MISUSES], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    renderer = "called as (vertices, faces, camera, settings, face_parts=, outputs=), got "
    solver = "called as (function, start, scales, iterations, tolerance, progress), got "
    said = (
        renderer + "the class CpuRenderer; make an object of it: CpuRenderer(...)",
        renderer + "Lazy(vertices): ",
        solver + "the class Lazy",
        solver + "Lazy(vertices): too many positional arguments",
        "body: expected an object of Body, a name or a path, got <",
        "regressor: expected an object of Regressor, a name or a path, got <",
        "term 'own': expected a weight, or (weight, term), got ShapePrior",
        "term 'own': expected an object that is called as (state), got the class Lazy",
        "term 'own': expected an object that is called as (state), got function(): too many positional arguments",
        "Problem(Objective(200 silhouette_l2 + 1 shape), body='open', renderer='cpu', crop=128 × 128 px)",
    )
    for line, part in zip(lines, said, strict=True):
        assert part in line, line


def test_a_name_that_two_packages_register_is_refused(installed, tmp_path):
    other = tmp_path / "site" / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0")
    (other / "entry_points.txt").write_text("[render_fit.bodies]\nsmall = other:body\n")
    with pytest.raises(rf.InputError, match="body 'small': registered by .* and .*; uninstall all but one"):
        rf.load_body("small")


def test_own_terms_are_evaluated_where_they_can_be():
    class Counting:
        def __init__(self, requires=(), skeletal=False):
            self.requires, self.skeletal, self.sizes = requires, skeletal, set()

        def __call__(self, state):
            self.sizes.add(state.targets.camera.width)
            return 0 * state.parameters.transl.sum(dim=1)

    bones, mesh, parts = Counting(skeletal=True), Counting(), Counting(requires=("labels",))
    result = rf.fit_image(person(), recipe_with(), terms={"bones": (1, bones), "mesh": (1, mesh), "parts": (1, parts)})
    assert bones.sizes == {256, 64} and mesh.sizes == {64} and parts.sizes == set()
    assert {"bones", "mesh"} <= set(result.report.losses) and "parts" not in result.report.losses


def test_an_observation_of_arrays():
    image, mask = torch.zeros(3, 40, 30), torch.zeros(40, 30)
    mask[10:20, 5:15] = 1.0
    made = rf.Observation.of(image, mask=mask)
    assert made.box == (5.0, 10.0, 10.0, 10.0) and made.image_size == (40, 30) and made.valid.all()
    assert rf.Observation.of(image).box == (0.0, 0.0, 30.0, 40.0)
    skeleton = person().skeleton
    points = torch.full((len(skeleton), 2), 7.0)
    whole = rf.Observation.of(image, mask=mask, keypoints_px=points, skeleton=skeleton)
    assert whole.box == (5.0, 7.0, 10.0, 13.0) and whole.confidence.eq(1).all()
    assert whole.source == {"mask": "given", "keypoints": "given"}
    for wrong, message in (({"keypoints_px": points}, "skeleton: "), ({"labels": mask.long()}, "part_space: ")):
        with pytest.raises(rf.InputError, match=message):
            rf.Observation.of(image, **wrong)


def test_a_registry_without_plugins_has_its_own_names():
    registry = Registry("thing", "render_fit.no_such_group", {"pair": lambda x, y=0: (x, y)})
    assert list(registry) == ["pair"] and "b" not in registry
    assert registry.make("pair", {"x": [1]}) == ((1,), 0)
    with pytest.raises(rf.InputError, match="thing 'pair' has no option 'z'; known: x, y"):
        registry.make("pair", {"z": 1})
