"""Self-training of clothing labels: which labels of the teacher may teach, and where."""

import numpy as np
import pytest
import torch

from render_fit.core.errors import InputError
from render_fit.core.skeletons import SMPL_24
from render_fit.observations.blazepose.clothing import SPACE, ClothingFeatures, read_decoder
from render_fit.observations.blazepose.regions import Regions
from render_fit.training.clothing_labels import IGNORED, train_decoder
from render_fit.training.fitting_in_the_loop import BestFits
from render_fit.training.label_self_training import (
    SIDE,
    CellEvidence,
    PhotoCrops,
    agreed_labels,
    cell_evidence,
    confident_labels,
    photo_crops,
    photo_lessons,
    possible_labels,
    teacher_probabilities,
)

LABEL = {name: number for number, name in enumerate(SPACE.labels)}
PART = {name: number for number, name in enumerate(SMPL_24.joints)}


def teacher(**shares: float) -> torch.Tensor:
    """The same probabilities in all cells of one crop."""
    probabilities = torch.zeros(1, len(SPACE), SIDE, SIDE)
    for name, share in shares.items():
        probabilities[:, LABEL[name.replace("_", "-")]] = share
    return probabilities


def evidence(part: str, distance: float = 0.0, mask: float = 1.0) -> CellEvidence:
    """One part in all cells of one crop."""
    shape = (1, SIDE, SIDE)
    return CellEvidence(torch.full(shape, mask), torch.full(shape, PART[part]), torch.full(shape, distance))


@pytest.mark.parametrize(
    ("part", "possible", "impossible"),
    [
        ("head", ("hair", "hat", "face"), ("upper-clothes", "left-shoe", "bag", "left-arm")),
        ("left_foot", ("left-shoe", "left-leg"), ("right-shoe", "right-leg", "face", "skirt")),
        ("right_knee", ("pants", "right-leg", "right-shoe"), ("left-leg", "upper-clothes", "hair")),
        ("right_elbow", ("upper-clothes", "right-arm"), ("left-arm", "pants", "right-leg")),
        ("spine2", ("upper-clothes", "dress", "hair"), ("bag", "background", "face", "left-shoe")),
    ],
)
def test_parts_bear_what_people_wear_there(part, possible, impossible):
    row = possible_labels()[PART[part]]
    assert all(bool(row[LABEL[name]]) for name in possible)
    assert not any(bool(row[LABEL[name]]) for name in impossible)


def test_a_label_on_the_wrong_limb_is_replaced_by_the_best_one_that_is_possible():
    # a left forearm that the teacher takes for the right one
    found = agreed_labels(teacher(right_arm=0.6, left_arm=0.35, upper_clothes=0.05), evidence("left_elbow"))
    assert found.unique().tolist() == [LABEL["left-arm"]]
    assert confident_labels(teacher(right_arm=0.9, left_arm=0.1)).unique().tolist() == [LABEL["right-arm"]]


def test_doubt_teaches_nothing():
    # hardly anything possible; two possible labels alike
    for doubtful in (teacher(right_arm=0.9, left_arm=0.1), teacher(left_arm=0.5, upper_clothes=0.5)):
        assert agreed_labels(doubtful, evidence("left_elbow")).unique().tolist() == [IGNORED]
    assert confident_labels(teacher(left_arm=0.7, upper_clothes=0.3)).unique().tolist() == [IGNORED]


def test_cells_where_mask_and_body_disagree_teach_nothing():
    sure = teacher(upper_clothes=1.0)
    assert agreed_labels(sure, evidence("spine2")).unique().tolist() == [LABEL["upper-clothes"]]
    assert agreed_labels(sure, evidence("spine2", distance=3.0)).unique().tolist() == [LABEL["upper-clothes"]]
    for elsewhere in (
        evidence("spine2", distance=20.0),  # mask without a body
        evidence("spine2", mask=0.0),  # body without a mask
        evidence("spine2", mask=0.5),  # on the outline
    ):
        assert agreed_labels(sure, elsewhere).unique().tolist() == [IGNORED]


def test_outside_of_the_mask_are_background_and_bags():
    beside = evidence("left_hip", distance=5.0, mask=0.0)
    assert agreed_labels(teacher(background=0.9, pants=0.1), beside).unique().tolist() == [0]
    assert agreed_labels(teacher(bag=0.9, background=0.1), beside).unique().tolist() == [LABEL["bag"]]
    on_body = agreed_labels(teacher(bag=0.6, pants=0.4), evidence("left_hip"))
    assert on_body.unique().tolist() == [IGNORED]


def test_a_person_wears_one_garment_on_the_legs():
    probabilities = teacher(pants=0.9, skirt=0.1)
    probabilities[:, :, :8] = teacher(skirt=0.65, pants=0.35)[:, :, :8]
    assert agreed_labels(probabilities, evidence("left_hip")).unique().tolist() == [LABEL["pants"]]
    # half and half: the legs do not say which one it is, and each cell decides
    probabilities[:, :, :32] = teacher(skirt=0.9, pants=0.1)[:, :, :32]
    found = agreed_labels(probabilities, evidence("left_hip"))
    assert found.unique().tolist() == [LABEL["skirt"], LABEL["pants"]]
    # no trousers, and rather a dress
    assert agreed_labels(teacher(skirt=0.2, dress=0.45, pants=0.35), evidence("left_hip")).unique().tolist() == [
        LABEL["dress"]
    ]


def test_evidence_is_read_at_the_cells_of_a_region():
    # left half of the image: trunk, of which the person's mask shows all but the lowest quarter
    parts = torch.full((128, 128), -1)
    parts[:, :64] = PART["spine2"]
    mask = (parts >= 0).float()
    mask[96:] = 0
    whole = Regions(torch.tensor([[64.0, 64.0]]), torch.tensor([128.0]), torch.zeros(1))
    found = cell_evidence(mask, parts, whole)
    assert found.parts.unique().tolist() == [PART["spine2"]]
    # cells are 2 px wide: columns 0 to 31 are on the body, column 41 is 10 cells away
    assert bool((found.distance[0, :, :32] == 0).all())
    assert found.distance[0, 20, 41].item() == pytest.approx(10, abs=1)
    assert found.mask[0, 20, 5].item() == 1 and found.mask[0, 60, 5].item() == 0 and found.mask[0, 20, 60].item() == 0
    nowhere = cell_evidence(mask, torch.full((128, 128), -1), whole)
    assert bool(nowhere.distance.isinf().all())


def crops_of_noise(generator: torch.Generator) -> PhotoCrops:
    """One photo in two crops, the second with the larger region; features of noise."""
    shapes = ((44, 64, 64), (80, 32, 32), (88, 16, 16), (864, 8, 8))
    features = ClothingFeatures(*(torch.rand(4, *shape, generator=generator) for shape in shapes))
    one = evidence("spine2")
    both = CellEvidence(*(torch.cat([getattr(one, name)] * 2) for name in ("mask", "parts", "distance")))
    return PhotoCrops(features, torch.tensor([100.0, 200.0]), both)


def test_the_teacher_averages_mirror_images_and_zooms():
    def halves(features: ClothingFeatures) -> torch.Tensor:
        """Sees a left arm in the left half of a crop, a right one in the right half."""
        logits = torch.zeros(len(features), len(SPACE), SIDE, SIDE)
        logits[:, LABEL["left-arm"], :, :32] = 100
        logits[:, LABEL["right-arm"], :, 32:] = 100
        return logits

    found = teacher_probabilities(halves, crops_of_noise(torch.Generator().manual_seed(0)))
    # the mirror image says the same once it is mirrored back and the sides are swapped
    assert found.shape == (2, len(SPACE), SIDE, SIDE)
    assert bool((found[:, LABEL["left-arm"], :, :30] > 0.99).all())
    assert bool((found[:, LABEL["right-arm"], :, 34:] > 0.99).all())
    assert torch.allclose(found.sum(1), torch.ones(2, SIDE, SIDE), atol=1e-5)


def test_mirrored_crops_have_mirrored_labels():
    labels = torch.full((2, SIDE, SIDE), IGNORED, dtype=torch.uint8)
    labels[:, :, 0] = LABEL["left-shoe"]
    features, both = photo_lessons([crops_of_noise(torch.Generator().manual_seed(0))], [labels])
    assert len(features) == len(both) == 4
    assert both[0, 0, [0, -1]].tolist() == [LABEL["left-shoe"], IGNORED]
    assert both[2, 0, [0, -1]].tolist() == [IGNORED, LABEL["right-shoe"]]


def test_cells_without_a_label_do_not_teach_and_photos_do():
    generator = torch.Generator().manual_seed(0)
    crops, other = crops_of_noise(generator).features, crops_of_noise(generator).features
    synthetic = torch.full((4, SIDE, SIDE), LABEL["face"], dtype=torch.uint8)

    def trained(labels: torch.Tensor) -> float:
        decoder = read_decoder().requires_grad_(True)
        photos = other, labels
        train_decoder(decoder, crops, synthetic, 20, 0, standardize=False, photos=photos, learning_rate=3e-2)
        with torch.no_grad():
            return float(decoder(other).softmax(1)[:, LABEL["hat"]].mean())

    nothing = torch.full((4, SIDE, SIDE), IGNORED, dtype=torch.uint8)
    hats = torch.full((4, SIDE, SIDE), LABEL["hat"], dtype=torch.uint8)
    assert trained(hats) > 0.3 and trained(nothing) < 0.1


def test_a_fitted_photo_teaches_what_the_photo_shows(shared_data):
    from render_fit.bodies import open_body
    from render_fit.fitting.fit import fit_image
    from render_fit.observations import observe

    photo = shared_data / "up3d_photos" / "05753_image.png"
    body = open_body()
    fit = fit_image(observe(photo, observer="blazepose")[0], "hybrid").parameters
    pelvis = fit.transl + body.rest_joints(fit.betas)[:, 0]
    fits = BestFits(fit.rotations, fit.betas, pelvis, torch.tensor([0.0]))
    (crops,) = photo_crops([photo], fits, body)
    labels = agreed_labels(teacher_probabilities(read_decoder(), crops), crops.evidence)
    names = {SPACE.labels[number] for number in np.unique(labels[0].numpy()) if number != IGNORED}
    assert {"background", "face", "hair", "upper-clothes"} <= names
    rows = torch.arange(SIDE, dtype=torch.float32)[None, :, None].expand_as(labels)
    assert float(rows[labels == LABEL["face"]].mean()) < float(rows[labels == LABEL["upper-clothes"]].mean())
    # without an ok fit a photo teaches nothing
    fits.value[:] = torch.inf
    assert photo_crops([photo], fits, body) == []
    with pytest.raises(InputError, match="expected photos whose fits are ok"):
        photo_lessons([], [])
