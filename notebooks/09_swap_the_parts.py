# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9 · Swap solver, renderer, body and observer
#
# Every part of a fit is an argument of `rf.fit_image`, given by name or as an object:
#
# ```python
# rf.fit_image(person, recipe, solver=..., renderer=..., body=..., regressor=..., terms=...)
# ```
#
# So a comparison is a table of one-line changes. All rows but the last use `hybrid` without clothes and with
# one hypothesis, to be quick. Errors are against the truth of a synthetic person. Seconds are CPU
# time on this machine: only their ratios mean something.

# %%
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import torch

import render_fit as rf
from render_fit.export.overlays import around_box, overlay
from render_fit.export.views import person_turns, side_view
from render_fit.fitting.initialisation import default_hypotheses
from render_fit.observations import make_observer
from render_fit.synthesis import clothed_scene, everyday_pose

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")
scene = clothed_scene(body, everyday_pose("waving"), seed=4, place="studio", image_size=(320, 240))
seen = scene.observation(parts=False)  # the scene's mask and keypoints

hybrid = rf.load_recipe("hybrid")
stages = {stage.name: stage for stage in hybrid.stages}
stages["search"] = stages["search"].model_copy(update={"n_hypotheses": 1})
quick = tuple(stages[name] for name in ("place", "search", "coarse", "fine"))
recipe = hybrid.model_copy(update={"stages": quick, "clothing": "none"})

# %% [markdown]
# ## The parts that are swapped
#
# - **Renderer**: any callable with the protocol's signature. `SoftRas` below passes everything on to the default one
#   and asks it for the other silhouette (notebook 2).
# - **Observer**: anything that makes an `Observation` of an image. `blazepose` is the default; the other rows use the
#   scene's true mask and keypoints.
# - **Body**: an object, or the path of a SMPL, SMPL-H or SMPL-X file. Here the open body with 2 shape coefficients in
#   place of 10.
# - **Regressor**: where the search begins: the network `lifter`, or `none`: twelve posed bodies.
# - **Solver**: `lbfgs` (the recipe's), `lm` (Levenberg–Marquardt), or `adam`.

# %%
class SoftRas:
    name = "softras"

    def __call__(self, vertices, faces, camera, settings, *, face_parts=None, outputs=("silhouette",)):
        settings = replace(settings, silhouette="softras")
        return renderer(vertices, faces, camera, settings, face_parts=face_parts, outputs=outputs)


# %%
rows = {
    "default": lambda: rf.fit_image(seen, recipe),
    "solver lm": lambda: rf.fit_image(seen, recipe, solver="lm"),
    "renderer SoftRas": lambda: rf.fit_image(seen, recipe, renderer=SoftRas()),
    "body with 2 betas": lambda: rf.fit_image(seen, recipe, body=rf.open_body(2)),
    "regressor none": lambda: rf.fit_image(seen, recipe, regressor="none"),
    "observer blazepose": lambda: rf.fit_image(make_observer("blazepose").observe(scene.image), recipe),
    "recipe smplify": lambda: rf.fit_image(seen, "smplify"),
}
results, seconds = {}, {}
rest_true = body.rest_vertices(scene.parameters.betas)
rf.fit_image(seen, recipe)  # the first fit in a process also loads kernels and weights
for name, fit in rows.items():
    before = time.process_time()
    results[name] = fit()
    seconds[name] = time.process_time() - before

# %%
table = {}
for name, result in results.items():
    betas = torch.nn.functional.pad(result.parameters.betas, (0, 10 - result.parameters.betas.shape[1]))
    table[name] = {
        "seconds": seconds[name],
        "IoU": result.report.iou.after,
        "keypoints, px": result.report.keypoint_error_px.after,
        "PA-MPJPE, mm": 1000 * rf.metrics.pa_mpjpe(result.output.joints, scene.joints_camera[None]).item(),
        "shape, mm": 1000 * rf.metrics.pve_t_sc(body.rest_vertices(betas), rest_true).item(),
    }
print(f"{'':20}" + "".join(f"{column:>15}" for column in table["default"]))
for name, values in table.items():
    print(f"{name:20}" + "".join(f"{value:15.3g}" for value in values.values()))

# %%
figure, axes = plt.subplots(1, 4, figsize=(15, 3.2), sharey=True)
for axis, column in zip(axes, ["seconds", "IoU", "PA-MPJPE, mm", "shape, mm"]):
    axis.barh(list(table), [values[column] for values in table.values()], color=["C1"] + ["C0"] * (len(table) - 1))
    axis.set_title(column if column != "IoU" else "IoU (axis from 0.6)")
    axis.axvline(table["default"][column], color="C1", linewidth=1)
axes[1].set_xlim(0.6, 1)
axes[0].invert_yaxis()

# %% [markdown]
# One person is an anecdote. These findings are the same for everybody: SoftRas makes the body thinner (*shape*) and
# takes longer. `smplify` does not use the mask, so its shape is the prior's. The other differences of PA-MPJPE and shape
# are chance: with another `seed` their order is another one. The side views below show why: an image hardly tells
# depth. `render-fit experiment` has such tables for hundreds of people.
#
# ## The bodies

# %% tags=["picture"]
chosen = ["default", "renderer SoftRas", "observer blazepose", "recipe smplify"]
turn = person_turns(scene.parameters.rotations[0, 0])["side"]
figure, axes = plt.subplots(1, 10, figsize=(15, 3))
bodies = {name: (results[name].output.vertices[0], results[name].camera) for name in chosen}
bodies["the truth"] = scene.vertices_camera, scene.camera
for (front, side), (name, (mesh, camera)) in zip(axes.reshape(5, 2), bodies.items()):
    over = overlay(scene.image, mesh, body.faces, camera, renderer, face_parts=body.face_parts)
    square = around_box(over, seen.box, margin=1.1)
    front.imshow(square[:, len(square) * 3 // 16 : -len(square) * 3 // 16])
    side.imshow(side_view(mesh, body.faces, renderer, turn=turn, size_px=320, face_parts=body.face_parts)[:, 60:260])
    front.set_title(name)
    side.set_title("" if name not in table else f"{table[name]['PA-MPJPE, mm']:.0f} mm")
for axis in axes:
    axis.axis("off")

# %% [markdown]
# ## Solvers on one problem
#
# The same objective, the same start. `lm` also measures curvature, which costs about two evaluations that are not
# counted. It falls fastest, and here ends in a worse valley than `lbfgs`: the start is a standing body, far from the
# raised arm. `adam` needs neither curvature nor line search, and many more steps: with the few evaluations of a
# recipe's stage it is not done.

# %%
terms = {"keypoints": 1, "silhouette_l2": 800, "silhouette_distance": 200, "pose_mixture": 1, "pose_limits": 1, "shape": 1}
problem = rf.compose(seen, terms, body=body, renderer=renderer, size=80, settings=rf.RenderSettings(sigma_px=1.5))
start = default_hypotheses(body, problem.targets, 10, yaws_deg=[0], poses=["standing"])
solutions = {}
figure, axis = plt.subplots(figsize=(9, 3.4))
for name in ["adam", "lbfgs", "lm"]:
    free = ("orient", "position", "pose", "betas")
    _, solutions[name] = problem.minimise(start, free, rf.make_solver(name), 40, tolerance=0)
    best = solutions[name].history[:, 0].cummin(dim=0).values
    axis.plot(range(1, len(best) + 1), best, label=f"{name}: {solutions[name].loss[0]:.0f}")
axis.set(xlabel="evaluations", ylabel="best objective so far, nats", ylim=(0, None))
axis.legend(title="solver: last value");

# %% [markdown]
# ## Change and see
#
# - `rf.make_solver(name)` → `rf.make_solver(name, {"step": 0.3} if name == "adam" else None)`: larger first steps, and `adam`
#   comes nearer to the others.
# - `"terms"`: add a row with `terms={"straight": (50.0, ...)}` and a term of your own (notebook 3).
# - `renderer=...`: `"reference"` is the plain torch specification. It gives the same result, and you will not want to
#   wait for it.
# - `parts=False` → `True` in `scene.observation`: body parts *under* the clothes, which no parser sees, make the
#   shape better.
