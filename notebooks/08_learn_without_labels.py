# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8 · Learn from images without labels
#
# A regressor is good on people like those that it was trained on. Of other people there are often images, but no
# labels. The objective of a fit needs none: it renders the prediction and compares it with what was observed. Its
# gradient goes on, through renderer R and body M, into the weights λ of the network:
#
# $$ \min_\lambda \sum_\text{images} \sum_i w_i\,\mathrm{dist}_i\big(R(M(\theta(z;\lambda), \beta(z;\lambda))),\, z\big) + \text{priors} $$
#
# Here: a network that was trained on people of usual shapes, and images of a group of stout people. Nothing but their
# silhouettes tells that they are stout. The images are synthetic, so that predictions can be compared with the truth
# *in 3D* afterwards. The training does not use that truth.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import render_fit as rf
from render_fit.core.skeletons import COCO_17, SMPL_24
from render_fit.export.views import about_y, person_views
from render_fit.synthesis.observation_noise import ObservationNoise
from render_fit.synthesis.people import PeopleDistribution
from render_fit.synthesis.poses.bank import PoseAugmentation
from render_fit.training.feature_cache import CachedPeople
from render_fit.training.losses import LossWeights
from render_fit.training.recipe import Optimiser
from render_fit.training.render_supervision import RenderSupervisionConfig
from render_fit.training.samples import LabelAvailability
from render_fit.training.unlabelled_photos import sample_unlabelled

plt.style.use("figures.mplstyle")
body, renderer = rf.open_body(), rf.make_renderer("cpu")
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## Two groups of people
#
# Both have the same poses (people who stand or walk), cameras, and small errors of detectors. The stout people are
# made with a body whose mean shape lies 1.8 standard deviations further along the second shape component.

# %%
shift = torch.zeros(10)
shift[1] = 1.8
names = ["joint_names", "parents", "shapedirs", "J_regressor", "weights", "faces", "landmark_names", "landmark_regressor"]
arrays = {name: getattr(body, name) for name in names}
stout_body = rf.Body(name="stout", v_template=body.v_template + body.shapedirs @ shift, **arrays)

bank = rf.PoseBank.from_prior(4000)
legs = [SMPL_24.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee")]
upright = (bank.pose[:, legs].norm(dim=2) < 0.45).all(dim=1) & (bank.pose[:, 0].norm(dim=1) < 0.45)
unchanged = ["legs", "arms", "bend_rad", "seated", "bent_forward", "extreme_range", "random_orientation"]
noise = ObservationNoise(
    no_mask=0, occluded=0, false_positive_region=0, limb_lost=0, mask_boundary_noise=0.01, mask_dilation=0.01,
    no_keypoints=0, keypoint_outliers=0, swapped=0, missing=0.02, hidden_missing=0.1, jitter=(0.002, 0.01),
)  # fmt: skip
usual = rf.PeopleSampler(
    body, rf.PoseBank(bank.pose[upright]), size=32, keypoint_formats=(COCO_17,), noise=noise,
    poses=PoseAugmentation(**dict.fromkeys(unchanged, 0.0)),
    people=PeopleDistribution(beta_scale=0.5, facing_rad=0.8, pitch_rad=0.05, roll_rad=0.02, truncated=0.0),
)  # fmt: skip
stout = replace(usual, body=stout_body)

# %%
seed = torch.Generator().manual_seed
labelled = rf.training_batch(usual, 512, seed(0))
images, _ = sample_unlabelled(stout, 256, seed(1))  # the truth of these people is thrown away
test_images, test_truth = sample_unlabelled(stout, 128, seed(2))  # and of these it is kept, to judge

figure, axes = plt.subplots(2, 10, figsize=(14, 3.2))
for row, title, masks in zip(axes, ["with labels", "without"], [labelled[0].silhouette, images.inputs.silhouette]):
    for axis, mask in zip(row, masks):
        axis.imshow(-mask, vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(title)
figure.suptitle("observed silhouettes: usual people with labels, stout people without");

# %% [markdown]
# ## First the usual people
#
# Supervised, as in notebook 7. The network's input is keypoints alone.

# %%
network = rf.RegressorConfig(size=32, pictures=(), hypotheses=1, width=256)


def train(name, steps, photos=None, **changes):
    """File of the trained regressor, and the values of each step."""
    recipe = rf.TrainingRecipe(
        name=name, clothing=False, regressor=network, steps=steps, batch=16, shard=16, save_every=1000, **changes
    )
    people = CachedPeople(*labelled, 16, seed=0, labels=LabelAvailability())
    values = []
    result = rf.train(
        recipe, folder / name, usual, photos=photos, cached=people, workers=0,
        on_step=lambda step, found: values.append(found),
    )  # fmt: skip
    return result.folder / "regressor.safetensors", values


first, _ = train("usual", 200, optimiser=Optimiser(learning_rate=2e-3, warm_up=20, average=0.95))

# %% [markdown]
# ## Then images without labels
#
# Each step has 16 labelled people, so that poses are not forgotten, and 12 images, compared by silhouette and keypoints
# under the priors: the terms of a fit. The labels of people are poses only (`betas=0`), as in motion capture. The
# *control* takes as many steps without images.

# %%
changes = {
    "pretrained": str(first),
    "optimiser": Optimiser(learning_rate=1e-3, warm_up=10, average=0.9),
    "losses": LossWeights(betas=0.0),
}
files = {"before": first}
files["control"], _ = train("control", 100, **changes)
compare = RenderSupervisionConfig(batch=12, weight=0.02)
files["render and compare"], values = train("adapted", 100, images, render_supervision=compare, **changes)


def judged(file):
    """Shapes that a regressor predicts for people of no training, and its errors of shape and joints, mm."""
    regressor = rf.load_regressor(file)
    with torch.no_grad():
        found = regressor(test_images.inputs).parameters(body, test_truth.focal)
    joints = body.kinematics(found).joints
    rest, true = body.rest_vertices(found.betas), stout_body.rest_vertices(test_truth.betas)
    shape = rf.metrics.pve_t_sc(rest, true).mean()
    pose = rf.metrics.pa_mpjpe(joints - joints[:, :1], test_truth.joints).mean()
    return found.betas, {"shape: PVE-T-SC, mm": 1000 * shape.item(), "joints: PA-MPJPE, mm": 1000 * pose.item()}


results = {name: judged(file) for name, file in files.items()}

# %%
figure, axes = plt.subplots(1, 3, figsize=(15, 2.8))
axes[0].plot([float(found["unlabelled"]) for found in values])
axes[0].set(xlabel="steps", title="objective on the images, nats")
for axis, what in zip(axes[1:], ["shape: PVE-T-SC, mm", "joints: PA-MPJPE, mm"]):
    found = [errors[what] for _, errors in results.values()]
    axis.barh(list(results), found, color=["0.7", "0.7", "C0"])
    for place, value in enumerate(found):
        axis.text(value, place, f" {value:.1f}", va="center")
    axis.set(title=f"{what}, of other images", xlim=(0, 1.15 * max(found)))
    axis.invert_yaxis()

# %% [markdown]
# That the objective falls proves little: it is what was minimised. The errors in 3D, of other people of that group, are
# the proof: the shape gets better, and without images it does not. The joints gain nothing, while those of the control
# do: half of each step goes to the images, which contain little about depth.
#
# ## The mean of the group
#
# The mean of the predicted shapes, and of the true ones, at one scale. All images are from the front, within 45°. Belly
# and back follow from the body's shape space.

# %% tags=["picture"]
mean = {"before": results["before"][0], "after": results["render and compare"][0], "truth": test_truth.betas + shift}
mean = {name: betas.mean(dim=0, keepdim=True) for name, betas in mean.items()}
meshes = {name: body.rest_vertices(betas)[0] for name, betas in mean.items()}
upright_view = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
views = {"front": upright_view, "side": about_y(np.pi / 2) @ upright_view}
figure, axis = plt.subplots(figsize=(14, 3.6))
axis.imshow(person_views(meshes, body.faces, renderer, views, face_parts=body.face_parts, height_px=420))
axis.axis("off")
for name, betas in mean.items():
    sizes = rf.measure(body, betas, ["waist", "mass"])
    numbers = f"waist {100 * sizes['waist'][0]:.0f} cm, {sizes['mass'][0]:.0f} kg"
    print(f"{name:7} second component {betas[0, 1]:+.1f}, {numbers}")

# %% [markdown]
# With photos it is one command: `render-fit finetune photos/ --out finetuned`, or `rf.finetune(["photos/"],
# "finetuned")`. It observes them once and prints the agreement before and after. `render-fit experiment
# domain-adaptation` does the same for poses, with hundreds of steps more.
#
# ## Change and see
#
# - `weight=0.02` → 0.2: the shape comes nearer, the joints get worse: 2D wins over 3D labels.
# - `LossWeights(betas=0.0)` → `LossWeights()`: the labels now contain usual shapes. Shapes end about as before: at
#   these weights the images pull more.
# - `RenderSupervisionConfig(..., terms={"keypoints": {"weight": 2}, "pose_mixture": {"weight": 1}, "shape": {"weight": 1}})`:
#   no silhouette, and nobody becomes stout.
# - `shift[1] = -1.8`: slender people. The outline pulls inwards just as well.
