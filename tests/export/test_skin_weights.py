import numpy as np
import pytest
import torch

from render_fit.bodies import open_body
from render_fit.export.motion import motion_of
from render_fit.export.skin_weights import first_set_error_m, influences
from render_fit.export.skinned_glb import skinned_glb
from tests.export.gltf_reader import Gltf
from tests.export.motions import moving_fit


def test_influences_keep_every_weight_in_as_few_sets_as_needed():
    weights = torch.tensor([[0.5, 0.5, 0, 0, 0, 0], [0.1, 0.2, 0.3, 0.15, 0.25, 0.0]])
    sets = influences(weights)
    assert len(sets) == 2
    assert sets[0][0].tolist() == [[0, 1, 0, 0], [2, 4, 1, 3]] and sets[0][0].dtype == np.uint8
    np.testing.assert_allclose(sets[0][1][1], [0.3, 0.25, 0.2, 0.15])
    assert sets[1][0].tolist() == [[0, 0, 0, 0]] * 2  # unused places have joint 0 (glTF 2.0, 3.7.3.3)
    np.testing.assert_allclose(sets[1][1], [[0, 0, 0, 0], [0.1, 0, 0, 0]])
    assert len(influences(weights[:1])) == 1
    assert [joints.shape for joints, _ in influences(torch.eye(3))] == [(3, 4)]


def test_the_error_of_programs_that_read_one_set():
    body = open_body()
    motion = motion_of(moving_fit(body, 4), body)
    gltf = Gltf(skinned_glb(motion))
    exact = [gltf.vertices("clothed", frame / 30) for frame in range(4)]
    (primitive,) = gltf.mesh("clothed")["primitives"]
    del primitive["attributes"]["JOINTS_1"], primitive["attributes"]["WEIGHTS_1"]
    sums = gltf.attributes("clothed")["WEIGHTS_0"].sum(1)
    errors = []
    for frame in range(4):
        # weights that sum to s give s times a vertex; divided by s, the vertex of weights that sum to 1
        first = gltf.vertices("clothed", frame / 30) / sums[:, None]
        errors.append(np.linalg.norm(first - exact[frame], axis=1).max())
    assert 0.003 < max(errors) == pytest.approx(first_set_error_m(motion), abs=2e-5)
    body.weights = torch.nn.functional.one_hot(body.weights.argmax(1), 24).float()
    assert first_set_error_m(motion) == 0
