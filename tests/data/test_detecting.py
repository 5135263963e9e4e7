"""Images on their way to a detector: in order, in batches of one shape, with those that cannot be read."""

from scenes import sample

from ssd_keras.data.detecting import detection_batches

SIZE = (48, 64)


def test_images_for_detection_come_in_order_and_padded():
    images = [sample(number).image for number in range(5)]
    batches = list(detection_batches(images, SIZE, 2))
    assert [batch.indices for batch in batches] == [[0, 1], [2, 3], [4]]
    assert all(batch.images.shape == (2, *SIZE, 3) for batch in batches)
    assert batches[-1].sizes == [(96, 128)]
    assert not batches[-1].images[1].any()


def test_a_bad_image_is_handed_on_as_an_error_and_the_rest_goes_on(tmp_path):
    batches = list(detection_batches([sample(0).image, tmp_path / "missing.jpg", sample(1).image], SIZE, 3))
    assert batches[0].indices == [0, 2]
    assert list(batches[0].errors) == [1]
    assert "missing.jpg" in str(batches[0].errors[1])


def test_nothing_to_detect_on_gives_no_batch():
    assert list(detection_batches([], SIZE, 4)) == []
