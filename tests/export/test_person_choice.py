"""Two synthetic clothed people cross in a video: they are tracked, and the sheet shows who was chosen."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from render_fit.bodies import open_body
from render_fit.export.person_choice import CHOSEN, OTHERS, choice_sheet
from render_fit.observations.appearance import difference
from render_fit.observations.blazepose.observer import BlazePoseObserver
from render_fit.observations.images import read_photo
from render_fit.observations.observation import box_of_mask
from render_fit.observations.same_person import same_person_in_photos
from render_fit.observations.tracking import Track, choose_track, detection_of, track_people
from render_fit.synthesis.clothed_people import clothed_person, photograph

FPS, WIDTH = 10.0, 400


@cache
def walkers():
    """Observations of two clothed people, each in its own picture."""
    torch.manual_seed(0)
    body, pose = open_body(), torch.zeros(24, 3)
    pose[16, 2], pose[17, 2] = -1.1, 1.1
    found = []
    for seed in (3, 8):
        person = clothed_person(body, pose, seed, yaw_rad=0.3, image_size=(200, 150))
        found.append(replace(person.observation(body), image=photograph(person, "studio", seed)))
    return found


def moved(one, left):
    """An observation pasted into a wide picture: image, mask, keypoints."""
    image, mask = torch.full((3, 200, WIDTH), 0.5), torch.zeros(200, WIDTH)
    mask[:, left : left + 150] = one.mask
    image[:, :, left : left + 150] = one.image
    return image, mask, one.keypoints_px + torch.tensor([float(left), 0.0])


def frame_at(step, n_steps):
    """One frame: the first person walks to the right, in front of the second, who walks to the left."""
    front, behind = walkers()
    places = (round(250 * step / (n_steps - 1)), round(250 * (1 - step / (n_steps - 1))))
    image, mask_front, points_front = moved(front, places[0])
    image_behind, mask_behind, points_behind = moved(behind, places[1])
    picture = torch.where(mask_front >= 0.5, image, torch.where(mask_behind >= 0.5, image_behind, 0.5))
    people = []
    for one, mask, points in (
        (front, mask_front, points_front),
        (behind, mask_behind * (mask_front < 0.5), points_behind),
    ):
        # what is hidden of the person behind is neither in the mask nor in the box
        box = box_of_mask(mask)
        if box is not None and float(mask.sum()) > 0.25 * float(one.mask.sum()):
            valid = torch.ones(200, WIDTH, dtype=torch.bool)
            people.append(
                replace(
                    one, image=picture, mask=mask, valid=valid, keypoints_px=points, box=box, image_size=(200, WIDTH)
                )
            )
    return picture, people


def crossing(n_steps=21):
    frames, pictures, names = [], [], []
    for step in range(n_steps):
        picture, people = frame_at(step, n_steps)
        order = [1, 0] if step % 2 and len(people) == 2 else range(len(people))
        frames.append([detection_of(people[i]) for i in order])
        names.append([("front", "behind")[i] for i in order])
        pictures.append((picture.permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    return frames, names, pictures, [step / FPS for step in range(n_steps)]


def test_clothed_people_who_cross_keep_their_tracks():
    frames, names, _, times = crossing()
    hidden = [step for step, people in enumerate(names) if len(people) == 1]
    assert hidden, "the person behind is missed where the other is in front"
    tracks = track_people(frames, times, (200, WIDTH))
    found = [{names[frame][person] for frame, person in zip(t.frames, t.people, strict=True)} for t in tracks]
    assert found == [{"front"}, {"behind"}]
    assert [len(track.frames) for track in tracks] == [21, 21 - len(hidden)]


def test_the_sheet_shows_the_chosen_person():
    frames, _, pictures, times = crossing()
    tracks = track_people(frames, times, (200, WIDTH))
    asked = []

    def picture(frame):
        asked.append(frame)
        return pictures[frame]

    labels = [f"{frame:06d}" for frame in range(21)]
    track = choose_track(tracks, 1)
    sheet = choice_sheet(frames, track, picture, labels, tracks=tracks, most=7)
    assert asked == [0, 3, 7, 10, 13, 17, 20] and sheet.dtype == np.uint8
    blue, grey = ((np.abs(sheet.astype(int) - colour).max(axis=2) < 12).sum() for colour in (CHOSEN, OTHERS))
    assert blue > 300 and grey > 50
    other = choice_sheet(frames, tracks[0], picture, labels, tracks=tracks, most=7)
    assert other.shape == sheet.shape and not np.array_equal(other, sheet)
    assert pictures[0].flags.owndata and np.array_equal(pictures[0], crossing()[2][0])  # pictures are not drawn into
    nobody = Track((), (), ())
    assert choice_sheet([[]], nobody, picture, labels).shape[2] == 3
    assert choice_sheet([], nobody, picture, []).shape[2] == 3


def test_a_man_who_turns_is_one_person(shared_data):
    observer = BlazePoseObserver()
    photos = [read_photo(path, 640) for path in sorted((shared_data / "octopus" / "frames").glob("*.png"))]
    found = [[detection_of(one) for one in people] for people in observer.observe_people([p.image for p in photos])]
    (track,) = track_people(found, [0.5 * number for number in range(8)], (640, 640))
    (in_photos,) = same_person_in_photos(found)
    for one in (track, in_photos):
        assert (one.frames, one.unsure) == (tuple(range(8)), ())
    # front and back of the same clothes
    assert difference(track.detections[0].appearance, track.detections[4].appearance) < 0.05
