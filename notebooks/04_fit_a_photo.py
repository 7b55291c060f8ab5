# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4 · Fit a photo, step by step
#
# Three lines fit a photo: observe, fit, write. This notebook looks between them: what is observed, what each stage of
# the fit changes, from the front and from the side, where errors of depth show. The photo is synthetic, so that the
# truth is known; a real one follows at the end.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Image
from skimage import data

import render_fit as rf
from render_fit.export.overlays import around_box, overlay, panel, write_gif
from render_fit.export.views import person_turns, side_view
from render_fit.observations import make_observer
from render_fit.synthesis import clothed_scene, everyday_pose

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")
scene = clothed_scene(body, everyday_pose("waving"), seed=0, place="park", image_size=(480, 360))

# %% [markdown]
# ## What is observed
#
# The observation z(I) is all that the fit uses of the photo. The observer `blazepose` gives a mask and 33 keypoints with
# a confidence each. It also estimates 3D keypoints, which the default recipe does not use. If you have better masks or
# keypoints, give their files: `rf.observe("photo.jpg", mask="mask.png", keypoints="openpose.json")`.

# %%
person = make_observer("blazepose").observe(scene.image)
figure, axes = plt.subplots(1, 3, figsize=(11, 4.4))
for axis, title in zip(axes, ["photo", "mask", "keypoints, darker: more confident"]):
    axis.imshow(scene.image.permute(1, 2, 0) if title != "mask" else person.mask)
    axis.set_title(title)
    axis.axis("off")
axes[2].scatter(*person.keypoints_px.T, c=person.confidence, cmap="Reds", s=22, edgecolors="white", linewidths=0.4);

# %% [markdown]
# ## The stages
#
# A recipe is a list of stages. Each frees some variables, has its terms, and hands its best hypotheses on. The first
# stages use keypoints alone, which costs next to nothing: there many hypotheses are tried. Rendering stages go from
# coarse (112 px, σ = 2) to fine (224 px, σ = 1). Clothes come last: a body that may not yet explain the clothes with
# its own shape.

# %%
recipe = rf.load_recipe("hybrid")
for stage in recipe.stages:
    size = f"{stage.resolution}² px, σ {stage.edge.sigma_px:g}" if stage.resolution else "no rendering"
    print(f"{stage.name:13} {size:17} moves {', '.join(stage.free):32} keeps {stage.n_hypotheses or 'all'}")

# %% [markdown]
# ## Watch it
#
# `watch` is called after each stage with the best hypothesis so far.

# %%
states = {}
result = rf.fit_image(person, recipe, watch=lambda stage, parameters: states.setdefault(stage, parameters))
print(result.report.status, "·", result.report.reason)
print(f"IoU {result.report.iou.before:.3f} → {result.report.iou.after:.3f}, {result.report.seconds['total']:.1f} s")


# %%
turn = person_turns(scene.parameters.rotations[0, 0])["side"]


def views(mesh, camera=result.camera):
    """A body over the photo, and from the side."""
    over = overlay(scene.image, mesh, body.faces, camera, renderer, face_parts=body.face_parts)
    side = side_view(mesh, body.faces, renderer, turn=turn, size_px=360, face_parts=body.face_parts)
    return around_box(over, person.box, margin=1.15), side


pictures = {stage: views(body(parameters).vertices[0]) for stage, parameters in states.items()}
frames = [panel(pair, height_px=340, captions=[stage, "side"]) for stage, pair in pictures.items()]
with tempfile.TemporaryDirectory() as folder:
    animation = write_gif(Path(folder) / "stages.gif", frames, seconds_per_frame=0.7).read_bytes()
Image(animation, format="gif")

# %% [markdown]
# The same as a picture, with errors against the truth (PA-MPJPE: mean distance of the joints after alignment). The
# fit uses one photo, so its distance and size are guesses that this error leaves out.

# %% tags=["picture"]
shown = [list(states)[i] for i in (0, 2, -2, -1)]
errors_mm = {
    stage: 1000 * rf.metrics.pa_mpjpe(body(parameters).joints, scene.joints_camera[None]).item()
    for stage, parameters in states.items()
}
titles = {stage: f"after {stage}: {errors_mm[stage]:.0f} mm" for stage in shown} | {"truth": "the true body"}
pictures["truth"] = views(scene.vertices_camera, scene.camera)
figure, axes = plt.subplots(2, 5, figsize=(12, 5.2))
for column, (stage, title) in zip(axes.T, titles.items()):
    for axis, pixels in zip(column, pictures[stage]):
        axis.imshow(pixels)
        axis.axis("off")
    column[0].set_title(title)

# %%
covered, seconds = {}, result.report.seconds
camera, observed = result.camera, (person.mask > 0.5)[None]
for stage, parameters in states.items():
    silhouette = rf.render(body(parameters).vertices, body.faces, camera).silhouette
    covered[stage] = rf.metrics.iou(silhouette > 0.5, observed).item()
curves = {"PA-MPJPE of the joints, mm": errors_mm, "IoU with the observed mask": covered, "seconds of the stage": seconds}
figure, axes = plt.subplots(1, 3, figsize=(15, 2.8))
for axis, (title, values) in zip(axes, curves.items()):
    axis.plot(list(states), [values[stage] for stage in states], marker="o")
    axis.set(title=title, xlabel="after stage")

# %% [markdown]
# Joints are nearly right after `search`, which uses keypoints alone. What rendering adds is the surface: the IoU rises
# until the clothes have been fitted. Where keypoints are ambiguous, the ranking of hypotheses by their renderings
# (`flips`, `coarse`) decides about depth. Here the network's first prediction was right already.

# %% [markdown]
# ## What remains unsure
#
# The result contains the covariance of each joint relative to the pelvis, from the curvature at the end of the fit and
# the other poses that were found. One photo shows height and width well and depth badly. Bars are one standard
# deviation.

# %%
deviation_mm = 1000 * result.joints_covariance[0].diagonal(dim1=1, dim2=2).sqrt()
names = ["left_knee", "right_knee", "left_ankle", "right_ankle", "left_elbow", "right_elbow", "left_wrist", "right_wrist"]
rows = [body.joint_names.index(name) for name in names]
figure, axis = plt.subplots(figsize=(12, 3))
axis.bar(np.arange(8) - 0.2, deviation_mm[rows, 0], 0.4, label="across the image")
axis.bar(np.arange(8) + 0.2, deviation_mm[rows, 2], 0.4, label="in depth")
axis.set(xticks=np.arange(8), xticklabels=names, ylabel="standard deviation, mm")
axis.legend();

# %% [markdown]
# ## A real photo
#
# NASA's portrait of Eileen Collins from scikit-image. The legs are outside of the photo: the prior fills them in, and
# the report notes it. The suit is a hard case: it is wider than the smooth clothes of the fit, which leave its
# shoulders uncovered. The side view shows what the photo does not: bent knees, and a trunk that leans forward.

# %%
portrait = torch.from_numpy(data.astronaut()).permute(2, 0, 1) / 255
astronaut = rf.fit_image(make_observer("blazepose").observe(portrait))
mesh = {"face_parts": body.face_parts}
over = overlay(portrait, astronaut.output.vertices[0], body.faces, astronaut.camera, renderer, opacity=0.7, **mesh)
turn = person_turns(astronaut.parameters.rotations[0, 0])["side"]
views = [over, side_view(astronaut.output.vertices[0], body.faces, renderer, turn=turn, **mesh)]
views.append(side_view(astronaut.unclothed_vertices[0], body.faces, renderer, turn=turn, **mesh))
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8))
for axis, view, title in zip(axes, views, [f"status: {astronaut.report.status}", "clothed, side", "body, side"]):
    axis.imshow(view)
    axis.set_title(title)
    axis.axis("off")
print(astronaut.report.reason, *astronaut.report.notes, sep="\n· ")

# %% [markdown]
# ## Change and see
#
# - `rf.fit_image(person, recipe, height_m=1.90, ...)`: a known height fixes the scale. PA-MPJPE, which is blind to
#   scale, hardly changes; the distance from the camera (`result.parameters.transl`, the last number) grows.
# - `rf.load_recipe("hybrid")` → `"smplify"`: keypoints alone. The joints are as good, the body is thinner than the
#   person: its shape is the prior's.
# - `rf.fit_image(person, recipe, regressor="none", ...)`: from twelve default poses in place of the network's four. It
#   takes about as long. Look at the curve: the search starts further off.
# - `seed=0` → `seed=3` in `clothed_scene`: another person, other clothes.
