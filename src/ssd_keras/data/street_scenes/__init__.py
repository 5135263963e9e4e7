"""Generated street scenes: a small data set that needs no download, labelled by the pixels it draws.

A scene is a little world in metres, seen through a pinhole camera: x to the right of the camera, y above the
ground, z ahead of it. `generator.draw_street_scene` is the story; it runs from back to front:

1. the sky, then the houses, the ground and the road with its marks (`backdrop`);
2. the things on the street (`street` places them), from far to near, so that the near ones hide the far
   ones. Each is drawn on a transparent sheet of its own (`sprite`, by the painters in `vehicles`, `people`,
   `furniture`): its opaque pixels are its mask, and the masks give the boxes (`scene`). Some things only
   resemble a class (a bicycle without its rider, a sign on a pole): no labels there;
3. what is in the air and in the camera: lamps that glow, rain, blur, exposure, noise (`weather`).

`dataset.write_street_scenes` makes a data set of them.
"""

from ssd_keras.data.street_scenes.dataset import write_street_scenes
from ssd_keras.data.street_scenes.generator import draw_street_scene, street_scenes
from ssd_keras.data.street_scenes.street import STREET_CLASSES

__all__ = ["STREET_CLASSES", "draw_street_scene", "street_scenes", "write_street_scenes"]
