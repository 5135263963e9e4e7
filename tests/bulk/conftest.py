"""A local Ray for all tests, with workers that need no Keras."""

import os
import time

import clips
import pytest

from ssd_keras.bulk.ray_session import QUIET
from ssd_keras.bulk.worker import ShardDetector
from ssd_keras.inference.drawing import save_picture


@pytest.fixture(scope="session")
def local_ray():
    """Ray with three cores, whatever the machine has, and little memory."""
    os.environ.update(QUIET)
    import ray

    ray.init(
        num_cpus=3,
        object_store_memory=80 << 20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=50,
    )
    ray.cloudpickle.register_pickle_by_value(clips)
    yield ray
    ray.shutdown()


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Let workers and the process that starts them use a detector that finds the red corner.

    Gives a function that says how long a shard takes, and what is done first with its names.
    """
    log = tmp_path / "log"
    log.mkdir()

    def use(seconds=0.0, at_first=lambda images: None, at_start=lambda: None):
        class StandIn(ShardDetector):
            def _load(self):
                at_start()
                return clips.CornerDetector()

            def __call__(self, batch):
                with (log / str(os.getpid())).open("a") as file:
                    file.write("shard\n")
                time.sleep(seconds)
                return super().__call__(batch)

            def _found(self, shard):
                at_first(shard.images)
                return super()._found(shard)

        monkeypatch.setattr("ssd_keras.bulk.run.ShardDetector", StandIn)
        return log

    monkeypatch.setattr("ssd_keras.bulk.run.load_detector", lambda *_: clips.CornerDetector())
    monkeypatch.setattr("ssd_keras.bulk.model_files.model_file", lambda path: path)
    use()
    return use


@pytest.fixture
def model(tmp_path):
    """The file of a model, whose content is looked at by nobody."""
    file = tmp_path / "model.keras"
    file.write_bytes(b"weights")
    return file


@pytest.fixture
def photos(tmp_path):
    """Ten photographs with a red corner, and between them one that is none."""
    folder = tmp_path / "photos"
    for number in range(10):
        save_picture(folder / f"{number}.png", clips.frame(number))
    (folder / "5-bad.jpg").write_bytes(b"no image")
    return folder
