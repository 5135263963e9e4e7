"""Dividing images: every one in one shard, whatever was done before."""

import os

from hypothesis import given
from hypothesis import strategies as st

from ssd_keras.bulk.shards import Shard, divide, shown

NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))


def images_of(shards):
    return [os.fsdecode(image) for shard in shards for image in shard.images]


def test_nothing():
    assert list(divide([], 3)) == []
    assert list(divide(["a", "b"], 3, done=[["b"], ["a"]])) == []


@given(NAMES, st.integers(1, 5), st.data())
def test_each_image_that_is_not_done_is_in_one_shard(names, size, data):
    done = data.draw(st.sets(st.sampled_from(names))) if names else set()
    shards = list(divide(names, size, [done]))
    assert images_of(shards) == [name for name in dict.fromkeys(names) if name not in done]
    assert all(0 < len(shard.images) <= size for shard in shards)
    assert len({shard.file_name for shard in shards}) == len(shards)


@given(st.integers(0, 40), st.integers(1, 7), st.data())
def test_a_run_that_was_interrupted_makes_the_shards_of_one_that_was_not(images, size, data):
    names = [f"{number}.jpg" for number in range(images)]
    all_shards = list(divide(names, size))
    finished = [shard for shard in all_shards if data.draw(st.booleans())]
    rest = divide(names, size, (map(shown, shard.images) for shard in finished))
    assert list(rest) == [shard for shard in all_shards if shard not in finished]


def test_images_that_came_later_are_done_in_shards_of_their_own():
    (before,) = divide(["a", "c"], 2)
    later = list(divide(["a", "b", "c", "d"], 2, [map(shown, before.images)]))
    assert [shard.images for shard in later] == [(b"b",), (b"d",)]
    assert before.file_name not in {shard.file_name for shard in later}


def test_images_are_taken_when_a_shard_is():
    taken = []

    def endless():
        number = 0
        while True:
            taken.append(number)
            yield str(number)
            number += 1

    shards = divide(endless(), 10)
    assert next(shards).number == 0
    assert len(taken) == 10
    assert next(shards).images[0] == b"10"
    assert len(taken) == 20
    shards.close()


def test_names_that_are_no_text_have_one_that_is_and_keep_their_bytes():
    (shard,) = divide([os.fsdecode(b"photo\xff.jpg")], 2)
    assert shard.images == (b"photo\xff.jpg",)
    assert shown(shard.images[0]) == "photo\\xff.jpg"
    assert list(divide([os.fsdecode(b"photo\xff.jpg")], 2, [["photo\\xff.jpg"]])) == []


def test_a_name_is_shown_without_its_password():
    (shard,) = divide(["ftp://me:secret@host/a.jpg", "ftp://me:other@host/a.jpg"], 2)
    assert shard.images == (b"ftp://me:secret@host/a.jpg",)
    assert shown(shard.images[0]) == "ftp://me@host/a.jpg"


def test_file_names_are_those_of_the_images_and_their_place():
    names = {Shard(number, images).file_name for number in (0, 1) for images in ((b"a", b"b"), (b"ab",))}
    assert len(names) == 4
    assert Shard(1, (b"a",)).file_name == Shard(1, (b"a",)).file_name
    assert Shard(12, (b"a",)).file_name.startswith("part-00000012-")
