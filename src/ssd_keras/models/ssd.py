"""SSD: a backbone, predictor heads on its feature maps, and the anchors they predict for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from ssd_keras.boxes.anchors import Anchors, anchors_from_config
from ssd_keras.boxes.arrays import Array
from ssd_keras.classes import checked_class_names
from ssd_keras.data.detecting import detect_photographs, detections_in_px
from ssd_keras.data.images import ImageSource
from ssd_keras.detections import Detections
from ssd_keras.errors import InputError
from ssd_keras.models.backbones import dilated_convolution, l2_normalization  # noqa: F401  in saved detectors
from ssd_keras.models.decoding import DecodeDetections, Decoding
from ssd_keras.models.loss import MultiBoxLoss, make_targets
from ssd_keras.models.predictor_heads import PredictorHeads
from ssd_keras.models.preprocessing import ImagePreprocessing

Features = Callable[..., list[Array]]
"""A base network: a function from the image tensor to the feature maps that are predicted from."""

PROGRESS_PARTS = ("confidence_loss", "location_loss", "positives")
"""What `fit` shows and logs beside the loss: the fields of `LossParts` after the total."""


@keras.saving.register_keras_serializable("ssd_keras")
class SSD(keras.Model):
    """The Single Shot MultiBox Detector: images in, raw predictions out; `detect` for detections.

    It is an ordinary Keras model. Called on uint8 images (B, H, W, channels), RGB 0-255, it gives
    {"offsets": (B, A, 4), "logits": (B, A, C)}, both float32; C counts the classes and background, which
    comes first. `compile` takes an optimizer and no loss: `fit` takes batches x = images and
    y = {"boxes": (B, M, 4) float32 relative `xyxy`, "labels": (B, M) int32, −1 = padding}, and matching,
    encoding, mining and loss run inside the step.

    Args:
        backbone: a Keras model from the preprocessed image to its feature maps, the finest first.
        anchors: their description; as many predictor layers as the backbone has feature maps.
        class_names: without background.
        preprocessing: settings of `ImagePreprocessing`.
        variances: scale of the offsets.
        iou_threshold: an anchor with at least this IoU with an object is trained to predict it.
        neutral_threshold: an anchor below that, but with at least this IoU, is not trained as background.
        loss: how negatives are mined, what the two terms are and how they are weighed.
        decoding: how detections are made of raw predictions.
        heads: how the predictor heads are built.

    Attributes:
        anchor_boxes: (A, 4) float32 `xyxy`, relative to the image.
        image_size: (height, width) of the input in pixels.
    """

    def __init__(
        self,
        backbone: keras.Model,
        anchors: Anchors,
        class_names: Sequence[str],
        *,
        preprocessing: Mapping[str, Any],
        variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
        iou_threshold: float = 0.5,
        neutral_threshold: float | None = None,
        loss: MultiBoxLoss | None = None,
        decoding: Decoding | None = None,
        heads: PredictorHeads | None = None,
        name: str = "ssd",
        **kwargs: Any,
    ) -> None:
        names = checked_class_names(class_names)
        input_shape = backbone.input_shape[1:]
        feature_sizes = [tensor.shape[1:3] for tensor in backbone.outputs]
        anchor_boxes = anchors.boxes(input_shape[:2], feature_sizes)

        precision = backbone.layers[-1].dtype_policy
        image = keras.Input(input_shape, dtype="uint8", name="image")
        features = backbone(ImagePreprocessing(**preprocessing, dtype=precision, name="preprocessing")(image))
        heads = heads or PredictorHeads()
        predictions = [
            heads(feature, kernel, boxes_per_cell, len(names) + 1, source, precision)
            for feature, kernel, boxes_per_cell, source in zip(
                features,
                heads.kernel_size_of_each(len(features)),
                anchors.boxes_per_cell,
                source_names(backbone),
                strict=True,
            )
        ]
        offsets, logits = (
            layers.Concatenate(axis=1, dtype="float32", name=joined)(list(parts))
            for joined, parts in zip(("mbox_loc", "mbox_conf"), zip(*predictions, strict=True), strict=True)
        )
        super().__init__(inputs=image, outputs={"offsets": offsets, "logits": logits}, name=name, **kwargs)

        self.dtype_policy = precision  # by which Keras knows that float16 needs a scaled loss
        self.backbone = backbone
        self.anchors = anchors
        self.anchor_boxes = anchor_boxes
        self.class_names = names
        self.image_size: tuple[int, int] = tuple(input_shape[:2])
        self.preprocessing = {
            key: tuple(value) if isinstance(value, list) else value for key, value in preprocessing.items()
        }
        self.variances = tuple(variances)
        self.iou_threshold = iou_threshold
        self.neutral_threshold = neutral_threshold
        self.multibox_loss = loss or MultiBoxLoss()
        self.decoding = decoding or Decoding()
        self.heads = heads
        # XLA makes convolutions several times slower than TensorFlow's own kernels for CPUs.
        self.supports_jit = not _tensorflow_on_cpu()
        self._part_means = {part: keras.metrics.Mean(name=part) for part in PROGRESS_PARTS}
        self._decoders: dict[Decoding, keras.Model] = {}

    @classmethod
    def from_preset(cls, preset: str, class_names: Sequence[str], **changes: Any) -> SSD:
        """Make a detector from a preset; see `ssd_keras.models.building.build_preset` for the `changes`."""
        from ssd_keras.models.building import build_preset

        return build_preset(preset, class_names, **changes)

    @classmethod
    def from_backbone(
        cls, features: Features | str, class_names: Sequence[str], image_size: tuple[int, int], **changes: Any
    ) -> SSD:
        """Make a detector on any base network; see `ssd_keras.models.building.build_on_backbone`."""
        from ssd_keras.models.building import build_on_backbone

        return build_on_backbone(features, class_names, image_size, **changes)

    # Training ------------------------------------------------------------------------------------------

    def compute_loss(
        self,
        x: Array = None,
        y: dict[str, Array] | None = None,
        y_pred: dict[str, Array] | None = None,
        sample_weight: Array = None,
        training: bool = True,
    ) -> Array:
        """Match the ground truth `y` with the anchors and give the MultiBox loss of `y_pred`, a scalar.

        Args:
            x: the images; not used.
            y: "boxes" (B, M, 4) relative to the image, and "labels" (B, M), −1 for padding.
            y_pred: "offsets" (B, A, 4) and "logits" (B, A, C).
            sample_weight: not used.
            training: not used.
        """
        if y is None or y_pred is None:
            raise ValueError("no boxes and labels to train on: give fit (images, {'boxes': …, 'labels': …})")
        anchors = ops.convert_to_tensor(self.anchor_boxes)
        targets = make_targets(
            anchors,
            ops.convert_to_tensor(y["boxes"]),
            ops.convert_to_tensor(y["labels"]),
            self.variances,
            self.iou_threshold,
            self.neutral_threshold,
        )
        parts = self.multibox_loss(targets, y_pred["offsets"], y_pred["logits"], anchors, self.variances)
        for name, value in zip(PROGRESS_PARTS, parts[1:], strict=True):
            self._part_means[name].update_state(value)
        # `losses` are Keras's: penalties on weights, which the layers of a base network may have.
        return parts.total + self.multibox_loss.share * sum(self.losses)

    # Detection -----------------------------------------------------------------------------------------

    def detect(
        self,
        images: ImageSource | Sequence[ImageSource],
        threshold: float = 0.5,
        fast: bool = False,
        batch_size: int = 8,
    ) -> list[Detections]:
        """Find objects in images of any size.

        Args:
            images: one image or several: files, encoded bytes, or (H, W, 3) uint8 RGB pixels.
            threshold: only detections with at least this score.
            fast: the best class of each anchor only (see `Decoding`).
            batch_size: images that go through the network at once.

        Returns:
            One `Detections` an image, in order; boxes in pixels of that image, cut off at its edges.

        Raises:
            InputError: an image does not decode, or the network does not take RGB images.
        """
        channels = self.input_shape[-1]
        if channels != 3:
            raise InputError(
                f"model {self.name} takes images of {channels} channels, photographs have 3: "
                f"give batches with {channels} channels to detect_batch"
            )
        return detect_photographs(self.detect_batch, self.image_size, images, threshold, fast, batch_size)

    def detect_batch(
        self,
        batch: NDArray[np.uint8],
        sizes: Sequence[tuple[int, int]],
        threshold: float = 0.5,
        fast: bool = False,
    ) -> list[Detections]:
        """Find objects in a batch (B, H, W, channels) uint8 at the model's input size.

        `sizes` are (height, width) of the original images, in whose pixels the boxes are given. Images of the
        batch beyond the last of the sizes are padding.
        """
        raw = self.predict_on_batch(batch)
        decoded = self.decoder(fast).predict_on_batch(raw)
        return detections_in_px(decoded, sizes, threshold, self.class_names)

    def decoder(self, fast: bool = False) -> keras.Model:
        """Give the compiled model that turns raw predictions into {"boxes", "scores", "labels"}.

        A model of its own, because it is fastest under XLA even where the network is not.
        """
        settings = replace(self.decoding, fast=fast)
        if settings not in self._decoders:
            raw = {key: keras.Input(tensor.shape[1:], name=key) for key, tensor in self.output.items()}
            layer = DecodeDetections(self.anchor_boxes, self.variances, settings)
            decoder = keras.Model(raw, layer(raw), name="decoder")
            decoder.compile(jit_compile=keras.backend.backend() != "torch")
            self._decoders[settings] = decoder
        return self._decoders[settings]

    # Saving --------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Give all that makes this detector: a saved file needs nothing else."""
        return {
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "anchors": self.anchors.get_config(),
            "class_names": list(self.class_names),
            "preprocessing": self.preprocessing,
            "variances": list(self.variances),
            "iou_threshold": self.iou_threshold,
            "neutral_threshold": self.neutral_threshold,
            "loss": self.multibox_loss.get_config(),
            "decoding": asdict(self.decoding),
            "heads": self.heads.get_config(),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SSD:
        """Make the detector again from `get_config`."""
        return cls(
            **{
                **config,
                "backbone": keras.saving.deserialize_keras_object(config["backbone"], custom_objects),
                "anchors": anchors_from_config(config["anchors"]),
                "loss": MultiBoxLoss(**config["loss"]),
                "decoding": Decoding(**config["decoding"]),
                "heads": PredictorHeads.from_config(config["heads"]),
            }
        )


def source_names(backbone: keras.Model) -> list[str]:
    """Name each feature map by the layer it comes from; a ReLU by the convolution before it."""
    return [tensor._keras_history.operation.name.removesuffix("_relu") for tensor in backbone.outputs]


def _tensorflow_on_cpu() -> bool:
    return keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")
