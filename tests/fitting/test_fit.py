"""Whole fits of synthetic people, who were drawn by other code: the gate that needs no data.

The gate uses the default recipe; the other tests a short one, for what does not depend on how good a fit is.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from render_fit.bodies import Body, open_body
from render_fit.core import metrics
from render_fit.core.errors import InputError
from render_fit.core.skeletons import H36M_17, MEDIAPIPE_33
from render_fit.evaluation.failure_modes import LIMB_JOINTS
from render_fit.fitting.beginning import _is_cut_off
from render_fit.fitting.fit import fit_all, fit_image
from render_fit.fitting.recipe import Recipe
from render_fit.fitting.resolve import resolve
from render_fit.fitting.result import FitResult
from render_fit.losses.measurements import KnownMeasurements, KnownWeight
from render_fit.measurements.measure import measure
from render_fit.observations.observation import Observation
from render_fit.renderers import CpuRenderer, RenderSettings
from render_fit.synthesis import SyntheticScene, everyday_pose, synthetic_scene

LIMBS = [H36M_17.index(name) for name in LIMB_JOINTS]

SHORT = Recipe.model_validate(
    {
        "name": "short",
        "description": "Minutes of fitting in seconds, for tests.",
        "n_betas": 10,
        "initialisation": {"yaws_deg": [0, 180], "poses": ["standing"]},
        "stages": [
            {
                "name": "search",
                "free": ["orient", "position", "pose", "betas"],
                "terms": {
                    "keypoints": {"weight": 1.0, "options": {"scale": 0.3}},
                    "pose_mixture": {"weight": 1.0},
                    "shape": {"weight": 2.0},
                },
                "solver": {"iterations": 25},
                "n_hypotheses": 1,
            },
            {
                "name": "render",
                "free": ["orient", "position", "pose", "betas", "clothing"],
                "resolution": 64,
                "terms": {
                    "keypoints": {"weight": 1.0},
                    "silhouette_l2": {"weight": 200.0},
                    "silhouette_distance": {"weight": 200.0},
                    "pose_mixture": {"weight": 1.0},
                    "shape": {"weight": 2.0},
                    "clothing": {"weight": 1.0},
                },
                "solver": {"iterations": 15},
            },
            {
                "name": "free offsets",
                "free": ["offsets"],
                "resolution": 64,
                "terms": {
                    "silhouette_l2": {"weight": 200.0},
                    "offset_size": {"weight": 1.0},
                    "offset_laplacian": {"weight": 1.0},
                },
                "solver": {"iterations": 6},
            },
        ],
        "final": {
            "resolution": 96,
            "terms": {
                "keypoints": {"weight": 1.0},
                "silhouette_l2": {"weight": 200.0},
                "shape": {"weight": 2.0},
            },
        },
    }
)


def short(observation: Observation, **options) -> FitResult:
    recipe = options.pop("recipe", SHORT)
    clothing = options.pop("clothing", "smooth")
    return fit_image(observation, recipe, body=open_body(), renderer=CpuRenderer(), clothing=clothing, **options)


def bare(observation: Observation, **options) -> FitResult:
    """The short recipe without clothing: its rendering stage moves the skeleton only."""
    data = SHORT.model_dump()
    data["stages"][1]["free"] = ("orient", "position", "pose", "betas")
    del data["stages"][1]["terms"]["clothing"]
    return short(observation, recipe=Recipe.model_validate(data), clothing="none", **options)


@pytest.fixture(scope="module")
def scene() -> SyntheticScene:
    return synthetic_scene(open_body(), everyday_pose("waving"), seed=11, yaw_rad=0.3, jitter=0.005)


@pytest.fixture(scope="module")
def fitted(scene) -> FitResult:
    return short(scene.observation(parts=False))


def joint_error_mm(result: FitResult, scene: SyntheticScene) -> float:
    """PA-MPJPE over the 12 limb joints, mm."""
    body = open_body()
    found, true = (body.keypoints(p, H36M_17)[:, LIMBS] for p in (result.parameters, scene.parameters))
    return 1000 * float(metrics.pa_mpjpe(found, true))


PEOPLE = (("striding", 3, 0.6), ("hands_on_hips", 5, -0.4), ("walking", 6, 0.3))


def test_default_recipe_recovers_people_with_part_maps():
    """Those without one are in tests/fitting/test_accuracy.py.

    Bounds are 1.5 times what was reached when they were set: surfaces 22, 57 and 23 mm. Hands on hips
    are depths that a picture hardly shows: now and then a forearm comes too near at a lower loss than the truth's.
    """
    surfaces, joints = [], []
    for pose, seed, yaw in PEOPLE:
        scene = synthetic_scene(open_body(), everyday_pose(pose), seed, yaw_rad=yaw)
        result = fit_image(scene.observation(), body=open_body(), renderer=CpuRenderer(), clothing="none")
        report = result.report
        assert report.status == "ok", (pose, seed, report.reason)
        assert report.iou is not None and report.iou.after > 0.95 and report.iou.after > report.iou.before
        assert report.beta_max < 3.0
        surface = metrics.pve(result.output.vertices, scene.vertices_camera[None], align="scale")
        surfaces.append(1000 * surface.item())
        joints.append(joint_error_mm(result, scene))
    assert np.median(surfaces) < 36 and max(surfaces) < 86, surfaces
    assert np.median(joints) < 45 and max(joints) < 110, joints


def test_people_side_by_side_get_the_fits_that_they_get_alone(scene):
    """Also those who were observed otherwise than the others, and so are solved apart; a stage that some cannot run.

    Only the position moves, to the end: in a recipe that stops while the loss still falls rounding moves a limb by a
    centimetre. That one step is the same for all variables is tested in tests/fitting/test_problem.py.
    """
    data = SHORT.model_dump()
    data["stages"] = data["stages"][:2]
    del data["stages"][1]["terms"]["clothing"]
    for stage in data["stages"]:
        stage["free"], stage["solver"]["iterations"] = ("position",), 40
    recipe = Recipe.model_validate(data)
    other = synthetic_scene(open_body(), everyday_pose("walking"), seed=5, yaw_rad=-0.4)
    seen = scene.observation(parts=False)
    people = [seen, other.observation(parts=False), replace(seen, mask=None), other.observation(parts=False)]
    alone = [short(person, recipe=recipe, clothing="none") for person in people]
    resolved = resolve(recipe, body=open_body(), renderer=CpuRenderer())
    shown = []
    together = fit_all(people, resolved, clothing="none", watch=lambda i, stage, _: shown.append((i, stage)))
    for one, both in zip(alone, together, strict=True):
        distance = (one.output.joints - both.output.joints).norm(dim=-1)
        assert 1000 * float(distance.mean()) < 3
        assert sum(both.report.losses.values()) == pytest.approx(sum(one.report.losses.values()), rel=1e-3)
        assert both.report.notes == one.report.notes and both.report.seconds.keys() == one.report.seconds.keys()
    assert [i for i, stage in shown if stage == "search"] == [0, 1, 2, 3]
    assert "render" in together[0].report.seconds
    nothing = replace(seen, mask=None, keypoints_px=None, confidence=None)
    with pytest.raises(InputError, match="nothing to fit to"):
        fit_all([seen, nothing], resolved)


def test_the_result_is_consistent_with_itself(fitted, scene):
    body = open_body()
    again = body(fitted.parameters)
    torch.testing.assert_close(again.vertices, fitted.output.vertices)
    assert len(fitted.parameters) == 1 and fitted.body_name == "open"
    # camera coordinates of the photo: the person is drawn where the mask is
    drawn = CpuRenderer()(again.vertices, body.faces, fitted.camera, RenderSettings(sigma_px=0.5))
    assert metrics.soft_iou(drawn.silhouette, scene.mask[None]).item() > 0.8
    assert fitted.camera is scene.camera


def test_a_body_with_fewer_shape_coefficients_than_the_recipe_has():
    seen = synthetic_scene(open_body(), everyday_pose("waving"), 0).observation(parts=False)
    result = fit_image(seen, "predict", body=open_body(2), renderer=CpuRenderer(), clothing="none")
    assert result.parameters.betas.shape == (1, 2)
    assert result.report.recipe["n_betas"] == 2


def test_keypoints_that_a_body_lacks_have_no_weight():
    """A body of joints alone has no fingers, eyes and toes: they must not pull at another point of it."""
    full = open_body()
    limbs = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "hip", "knee", "ankle")]
    bare = Body(
        name="joints alone",
        joint_names=full.joint_names,
        parents=full.parents,
        v_template=full.v_template,
        shapedirs=full.shapedirs,
        J_regressor=full.J_regressor,
        weights=full.weights,
        faces=full.faces,
        stands_for={f"coco_{name}": name for name in limbs},
    )
    scene = synthetic_scene(full, everyday_pose("standing"), 3, skeleton=MEDIAPIPE_33)
    seen = scene.observation(mask=False, parts=False)
    result = fit_image(seen, "smplify", body=bare)
    lacking = ~bare.supports(MEDIAPIPE_33)
    found = result.observation.confidence
    assert lacking.sum() > 12 and (seen.confidence[lacking] > 0).any()
    assert (found[lacking] == 0).all() and torch.equal(found[~lacking], seen.confidence[~lacking])


def test_report_says_what_happened(fitted):
    report = fitted.report
    assert report.status in ("ok", "poor") and report.reason
    assert report.iou is not None and 0 <= report.iou.before < report.iou.after <= 1
    assert report.keypoint_error_px is not None and 0 < report.keypoint_error_px.after < 15
    assert report.part_iou is None
    assert set(report.losses) == {"keypoints", "silhouette_l2", "shape"}
    assert {"search", "render", "keypoints alone", "total"} <= set(report.seconds)
    assert report.seconds["total"] >= report.seconds["search"] + report.seconds["render"]
    assert any("size is a guess" in note for note in report.notes)
    assert report.sources["mask"] == "synthetic"
    recipe = dict(report.recipe)
    objects = recipe.pop("objects")
    assert objects["body"]["name"] == "open" and objects["renderer"]["type"] == "render_fit.renderers.cpu.CpuRenderer"
    assert recipe.pop("reproducible_from_yaml") is False and Recipe.model_validate(recipe) == SHORT
    assert {"python", "torch"} <= set(report.versions)
    assert report.beta_max == pytest.approx(float(fitted.parameters.betas.abs().max()))
    for share in (report.unexplained_share, report.body_outside_share):
        assert share is not None and 0 <= share.after < 0.4 and 0 <= share.before <= 1
    unclothed = open_body()(replace(fitted.parameters, offsets=None)).vertices
    torch.testing.assert_close(fitted.unclothed_vertices, unclothed)
    assert not torch.equal(unclothed, fitted.output.vertices)
    assert type(report).model_validate_json(report.model_dump_json()) == report


def test_a_fit_that_moved_nothing_says_so(scene):
    class WithoutGradient(CpuRenderer):
        def __call__(self, vertices, *arguments, **named):
            return super().__call__(vertices.detach(), *arguments, **named)

    data = SHORT.model_dump()
    data["stages"], terms = [data["stages"][1]], data["stages"][1]["terms"]
    data["stages"][0] |= {"terms": {"silhouette_l2": terms["silhouette_l2"]}}
    recipe = Recipe.model_validate(data)
    report = fit_image(scene.observation(), recipe, renderer=WithoutGradient(), clothing="none").report
    assert report.status != "ok" and report.reason.startswith("no stage moved anything")
    assert any("stage 'render' moved nothing" in note for note in report.notes)


def test_seeds_repeat_and_differ(scene, fitted):
    again = short(scene.observation(parts=False))
    other = short(scene.observation(parts=False), seed=1)
    assert torch.equal(again.parameters.pose, fitted.parameters.pose)
    assert torch.equal(again.parameters.transl, fitted.parameters.transl)
    assert not torch.equal(other.parameters.pose, fitted.parameters.pose)


def test_mask_alone(scene):
    result = short(scene.observation(parts=False, keypoints=False))
    report = result.report
    assert report.keypoint_error_px is None and report.iou is not None and report.iou.after > 0.6
    assert "search" not in report.seconds  # there is nothing that it compares with


def test_keypoints_alone(scene):
    result = short(scene.observation(parts=False, mask=False))
    report = result.report
    assert report.iou is None and report.keypoint_error_px is not None
    assert report.status == "ok", report.reason
    assert joint_error_mm(result, scene) < 150


def test_nothing_observed_is_a_users_mistake(scene):
    unseen = replace(scene.observation(mask=False), confidence=torch.zeros(17))
    empty = replace(scene.observation(keypoints=False), mask=torch.zeros(256, 256))
    for observation in (scene.observation(mask=False, keypoints=False), unseen, empty):
        with pytest.raises(InputError, match="nothing to fit to: neither mask nor keypoints"):
            short(observation)


def test_misplaced_keypoints_do_not_break_a_fit(scene):
    """Some keypoints far outside the image, as a network may give them; the mask still holds the body."""
    observation = scene.observation(parts=False)
    keypoints = observation.keypoints_px.clone()
    keypoints[[9, 10, 15]] = torch.tensor([[-4000.0, 90.0], [3000.0, 8000.0], [1e6, -1e6]])
    result = bare(replace(observation, keypoints_px=keypoints))
    assert result.output.vertices.isfinite().all()
    assert result.report.iou.after > 0.7
    assert result.report.status != "ok"


def test_all_keypoints_of_no_confidence(scene):
    observation = replace(scene.observation(parts=False), confidence=torch.zeros(17))
    result = bare(observation)
    assert result.report.keypoint_error_px is None
    assert result.report.iou.after > 0.6  # placed and fitted by the mask


def test_keypoints_that_are_no_numbers_count_as_not_seen(scene):
    observation = scene.observation(parts=False)
    broken, confidence = observation.keypoints_px.clone(), observation.confidence.clone()
    broken[5], confidence[6] = torch.nan, torch.nan
    result = bare(replace(observation, keypoints_px=broken, confidence=confidence))
    assert result.output.vertices.isfinite().all()
    assert result.report.status == "ok" and result.report.iou.after > 0.8


def test_known_height_is_kept(scene):
    body = open_body()
    for height in (1.60, 1.85):
        result = bare(scene.observation(parts=False), height_m=height)
        rest = body.rest_vertices(result.parameters.betas)[0, :, 1]
        assert (rest.amax() - rest.amin()).item() == pytest.approx(height, abs=0.01)
        assert not any("size is a guess" in note for note in result.report.notes)


def test_known_weight_is_kept(scene):
    for weight_kg in (65.0, 90.0):
        result = bare(scene.observation(parts=False), height_m=1.75, weight_kg=weight_kg)
        values = measure(open_body(), result.parameters.betas, ["stature", "mass"])
        assert float(values["mass"][0]) == pytest.approx(weight_kg, abs=2 * KnownWeight(weight_kg).sigma)
        assert float(values["stature"][0]) == pytest.approx(1.75, abs=0.02)
        assert not any("weight" in note for note in result.report.notes)


def test_a_known_waist_is_a_term_of_the_users(scene):
    waists = {}
    for waist_m in (0.75, 1.0):
        terms = {"tape": (1.0, KnownMeasurements({"waist": waist_m}))}
        result = bare(scene.observation(parts=False), height_m=1.75, terms=terms)
        waists[waist_m] = float(measure(open_body(), result.parameters.betas, ["waist"])["waist"][0])
    # the silhouette speaks against the one or the other; the tape's centimetre leads
    assert waists[0.75] == pytest.approx(0.75, abs=0.04) and waists[1.0] == pytest.approx(1.0, abs=0.04)


def test_a_weight_that_nobody_of_the_height_has_is_refused(scene):
    with pytest.raises(InputError, match="weight_kg 9: nobody of 1.75 m weighs so much"):
        bare(scene.observation(parts=False), height_m=1.75, weight_kg=9.0)


def test_unknown_camera_is_said(scene):
    result = bare(scene.observation(parts=False, camera=False))
    assert any("focal length is a guess: 362 px" in note for note in result.report.notes)  # 256 · √2
    given = bare(scene.observation(parts=False, camera=False), camera=scene.camera)
    assert not any("focal" in note for note in given.report.notes)


@pytest.mark.parametrize("clothing", ["none", "smooth", "free"])
def test_clothing_stays_apart_from_the_body(scene, clothing):
    if clothing == "none":
        assert bare(scene.observation(parts=False)).parameters.offsets is None
        return
    result = short(scene.observation(parts=False), clothing=clothing)
    body, offsets = open_body(), result.parameters.offsets
    assert offsets is not None and offsets.shape == (1, body.n_vertices, 3) and 0 < offsets.abs().max() < 0.2
    undressed = body(replace(result.parameters, offsets=None))
    torch.testing.assert_close(undressed.joints, result.output.joints)
    assert ("free offsets" in result.report.seconds) == (clothing == "free")


def test_torch_uses_one_thread_in_a_fit_and_results_do_not_depend_on_the_number(scene):
    before, seen, results = torch.get_num_threads(), set(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            result = bare(scene.observation(parts=False), watch=lambda *_: seen.add(torch.get_num_threads()))
            results.append(result.parameters)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert seen == {1}
    assert torch.equal(results[0].rotations, results[1].rotations)
    assert torch.equal(results[0].transl, results[1].transl)


def test_progress_and_watch_are_told(scene):
    stages, seen = [], []
    bare(
        scene.observation(parts=False),
        progress=lambda stage, done, total: stages.append((stage, done <= total)),
        watch=lambda stage, parameters: seen.append((stage, len(parameters))),
    )
    assert seen == [("search", 1), ("render", 1)]
    assert {stage for stage, _ in stages} == {"search", "render"} and all(fine for _, fine in stages)


@pytest.mark.parametrize(("rows", "said"), [(slice(10, 60), False), (slice(10, 64), True)])
def test_people_cut_off_by_the_edge_are_noted(rows, said):
    mask = torch.zeros(64, 48)
    mask[rows, 15:30] = 1.0
    assert _is_cut_off(mask) is said
