"""Recipes: the shipped ones load, and every mistake in a file is one line that helps."""

import pytest
import yaml

from render_fit.core.errors import InputError
from render_fit.fitting.recipe import load_recipe, recipe_names, recipe_text


def test_shipped_recipes_load():
    assert {"hybrid", "smplify", "smplify-vae"} <= set(recipe_names())
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert load_recipe(recipe) is recipe


def test_resolved_recipe_is_plain_data_that_loads_again(tmp_path):
    resolved = load_recipe("hybrid").resolved()
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(resolved))
    assert load_recipe(path) == load_recipe("hybrid")


MINE = """\
name: mine
description: Keypoints, then the silhouette.
clothing: smooth
stages:
  - name: search
    free: [orient, position]
    terms:
      keypoints: {weight: 1.0, options: {scale: 0.5}}
    solver: {name: lbfgs, iterations: 20}
  - name: render
    free: [pose]
    resolution: 112
    edge: {sigma_px: 2.0}
    terms:
      silhouette_l2: {weight: 200.0}
final:
  terms:
    shape: {weight: 2.0}
"""


def edited(tmp_path, old: str, new: str):
    assert old in MINE
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace(old, new, 1))
    return path


def test_a_file_of_ones_own_loads(tmp_path):
    recipe = load_recipe(edited(tmp_path, "mine", "mine"))
    assert [stage.name for stage in recipe.stages] == ["search", "render"]
    assert recipe.stages[0].terms["keypoints"].options == {"scale": 0.5}
    assert recipe.stages[1].solver.name == "lbfgs" and recipe.final.resolution == 224  # defaults


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("clothing: smooth", "clothings: smooth", "did you mean 'clothing'"),
        ("free: [orient, position]", "fre: [orient, position]", "did you mean 'free'"),
        ("iterations: 20", "iteration: 20", "did you mean 'iterations'"),
        ("{sigma_px: 2.0}", "{sigma: 2.0}", "did you mean 'sigma_px'"),
        ("silhouette_l2: {weight: 200.0}", "silhouete_l2: {weight: 200.0}", "unknown term 'silhouete_l2'"),
        ("{scale: 0.5}", "{scal: 0.5}", "no option 'scal'"),
        ("iterations: 20", "iterations: -1", "greater than 0"),
        ("clothing: smooth", "clothing: velvet", "'none', 'smooth' or 'free'"),
        ("free: [orient, position]", "free: [orient, depth]", "stages.0.free.1"),
        ("free: [pose]", "free: [pose]\n    judge: serch", "did you mean 'search'"),
        ("free: [pose]", "free: [pose, latent]", "moves as 'pose' or as 'latent'"),
        ("free: [pose]", "free: [offsets]\n    solver: {name: lm}", "'lm' cannot move free offsets"),
    ],
)
def test_mistakes_name_the_place_and_the_remedy(tmp_path, old, new, said):
    path = edited(tmp_path, old, new)
    with pytest.raises(InputError, match="mine.yaml") as caught:
        load_recipe(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_of_a_file_are_in_one_message_and_no_description_is_needed(tmp_path):
    text = MINE.replace("description: Keypoints, then the silhouette.\n", "")
    (tmp_path / "mine.yaml").write_text(text)
    assert load_recipe(tmp_path / "mine.yaml").description == ""
    text = text.replace("smooth", "velvet").replace("iterations: 20", "iteration: 20").replace("name: mine\n", "")
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match="key 'stages.0.solver.iteration'.*name: Field required.*clothing: Inp"):
        load_recipe(tmp_path / "mine.yaml")


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'hybrid'"):
        load_recipe("hybird")


@pytest.mark.parametrize("text", ["just words", "- a list", "a: [1, 2", ""])
def test_files_that_are_no_recipe(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="bad.yaml"):
        load_recipe(path)


def test_a_regressor_takes_the_place_of_poses_and_none_gives_it_back():
    hybrid = load_recipe("hybrid")
    assert hybrid.initialisation.regressor == "lifter" and not hybrid.initialisation.use_default_poses
    posed = hybrid.with_regressor("none")
    assert (
        not posed.initialisation.regressor and posed.initialisation.poses and posed.with_regressor("lifter") == hybrid
    )
    with pytest.raises(InputError, match="recipe 'predict': begins with a regressor alone"):
        load_recipe("predict").with_regressor("none")


def test_old_names_of_keys_are_accepted_with_a_warning(tmp_path, caplog):
    text = recipe_text("hybrid").replace("initialisation:", "starts:").replace("rank_by:", "judge:")
    (tmp_path / "old.yaml").write_text(text)
    assert "judge:" in text and load_recipe(tmp_path / "old.yaml") == load_recipe("hybrid")
    assert "key 'starts' is now called 'initialisation'" in caplog.text
    assert "key 'judge' is now called 'rank_by'" in caplog.text


def test_a_copy_takes_no_unknown_key():
    with pytest.raises(KeyError, match="no key 'stage'.*did you mean 'stages'"):
        load_recipe("hybrid").model_copy(update={"stage": ()})
