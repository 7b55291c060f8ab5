"""Who is the same person in unrelated photos: by clothes and size, and what is unsure."""

from dataclasses import replace

import numpy as np

from render_fit.observations.appearance import Appearance
from render_fit.observations.same_person import same_person_in_photos
from render_fit.observations.tracking import Detection
from tests.observations.test_tracking import clothes


def someone(seed, height=200.0, x=0.0, rng=None):
    box = (x, 0.0, height / 3, float(height))
    return Detection(box, appearance=clothes(seed, 0.03, rng or np.random.default_rng(seed)))


def test_the_person_of_all_photos_is_found_among_others():
    # person 1 is in all photos, at any place in the list, and not always the largest
    photos = [[someone(1)], [someone(2), someone(1, 150)], [someone(1), someone(3)], [someone(4, 260), someone(1)]]
    first, *others = same_person_in_photos(photos)
    assert (first.frames, first.people, first.unsure) == ((0, 1, 2, 3), (0, 1, 0, 1), ())
    assert sorted((track.frames, track.people) for track in others) == [((1,), (0,)), ((2,), (1,)), ((3,), (0,))]


def test_two_people_in_all_photos_are_two_tracks_the_larger_first():
    rng = np.random.default_rng(0)
    photos = [[someone(1, 120, rng=rng), someone(2, 200, rng=rng)][:: (-1) ** i] for i in range(4)]
    tracks = same_person_in_photos(photos)
    assert [track.people for track in tracks] == [(1, 0, 1, 0), (0, 1, 0, 1)]
    assert not any(track.unsure for track in tracks)


def test_one_person_in_each_photo_is_taken_and_other_clothes_are_told():
    photos = [[someone(1)], [someone(1)], [someone(7)], [someone(1)]]
    (track,) = same_person_in_photos(photos)
    assert track.frames == (0, 1, 2, 3) and track.unsure == (2,)


def test_people_dressed_alike_are_unsure_and_the_larger_is_taken():
    photos = [[someone(1)], [someone(1, 190), someone(1, 200)]]
    track = same_person_in_photos(photos)[0]
    assert track.people == (0, 1) and 1 in track.unsure


def test_without_clothes_the_largest_is_taken():
    photos = [
        [replace(one, appearance=Appearance()) for one in photo]
        for photo in ([someone(1), someone(2, 400)], [someone(3, 50), someone(4)])
    ]
    track = same_person_in_photos(photos)[0]
    assert track.people == (1, 1)


def test_photos_without_people():
    assert same_person_in_photos([]) == [] and same_person_in_photos([[], []]) == []
    (track,) = same_person_in_photos([[], [someone(1)], [], [someone(1)]])
    assert (track.frames, track.people, track.unsure) == ((1, 3), (0, 0), ())
