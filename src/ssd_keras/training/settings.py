"""The groups of settings within a recipe: anchors, preprocessing, loss, decoding, augmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    field_serializer,
    model_serializer,
)


class AnchorSettings(BaseModel):
    """Changes of the preset's anchors; what is not given stays as it is there."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    fit: bool = Field(
        False,
        description="Before training, choose those that cover the labelled boxes best, as ssd anchors does.",
    )
    sizes: str | None = Field(
        None, description="One of the preset's sets, such as voc or coco; by default its first."
    )
    min_sizes: tuple[PositiveFloat, ...] | None = Field(
        None, description="Side of the first square in pixels of the input, one per predictor layer."
    )
    max_sizes: tuple[PositiveFloat | None, ...] | None = Field(
        None, description="With min_sizes gives the side of the second square; null for none."
    )
    scales: tuple[PositiveFloat, ...] | None = Field(
        None,
        description="For ssd7: relative to the image's shorter side, one per predictor layer and one more.",
    )
    aspect_ratios: tuple[PositiveFloat, ...] | None = Field(
        None, description="Width over height, the same for all predictor layers."
    )
    aspect_ratios_per_layer: tuple[tuple[PositiveFloat, ...], ...] | None = Field(
        None, description="Width over height, for each predictor layer."
    )
    steps: tuple[PositiveFloat | None, ...] | None = Field(
        None,
        description="Distance of the centres in pixels, one per predictor layer; null: they spread evenly.",
    )
    offsets: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = Field(
        None, description="Place of the first centre as a fraction of the step, one per predictor layer."
    )
    clip: bool | None = Field(None, description="Cut the anchors off at the edges of the image.")
    flip: bool | None = Field(
        None, description="With min_sizes: also 1/r for each aspect ratio r, as the original."
    )
    two_boxes_for_ar1: bool | None = Field(
        None, description="For ssd7: a second square, between this layer's scale and the next."
    )


class PreprocessingSettings(BaseModel):
    """What is changed in the preprocessing inside the model: (x - mean) * scale of pixels 0-255."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    mean: float | tuple[float, float, float] | None = Field(
        None, description="Subtracted from the pixels: one number, or one each for red, green and blue."
    )
    scale: PositiveFloat | tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None, description="The factor after that: one number, or one each for red, green and blue."
    )
    to_bgr: bool | None = Field(None, description="Give blue first, as networks from Caffe want it.")


class DecodingSettings(BaseModel):
    """What is changed in the way from raw predictions to detections."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    min_score: float | None = Field(None, ge=0, lt=1, description="Only scores above this count.")
    iou_threshold: float | None = Field(
        None, gt=0, le=1, description="A box that overlaps a better one of its class by more is left out."
    )
    candidates: PositiveInt | None = Field(
        None, description="How many of a class's best boxes go into the suppression."
    )
    max_detections: PositiveInt | None = Field(None, description="Most detections of an image.")


class AugmentationSettings(BaseModel):
    """The chain of augmentation and what is changed in it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    chain: Literal["mild", "ssd", "constant_size", "variable_size", "satellite", "none"] = Field(
        "mild",
        description="The paper's chain (ssd), the same with little scaling (mild), one of the Keras port of "
        "2018, or none.",
    )
    operations: list[Any] | None = Field(
        None,
        min_length=1,
        description="In place of a chain: operations by name, with settings as in {flip: {probability: 1}}, "
        "or FILE.py:FUNCTION of a sample.",
    )
    expand_probability: float | None = Field(
        None, ge=0, le=1, description="Probability that the image is made smaller: in mild 0.2, in ssd 0.5."
    )
    expand_max_ratio: float | None = Field(
        None, ge=1, description="How many times smaller, at most: in mild 1.25, in ssd 4."
    )
    crop_min_scale: float | None = Field(
        None,
        ge=0.01,
        le=1,
        description="Smallest scale of a crop, the root of its area relative to the image's: in mild 0.7, in "
        "ssd 0.3.",
    )
    horizontal_flip: float = Field(
        0.5, ge=0, le=1, description="Probability that left and right change sides."
    )
    vertical_flip: float | None = Field(
        None, ge=0, le=1, description="Probability of turning upside down; by default 0, in satellite 0.5."
    )

    @field_serializer("operations")
    def _written(self, operations: list[Any] | None) -> list[Any] | None:
        from ssd_keras.data.augment.operations import as_recipe_entries  # which takes time to import

        return None if operations is None else as_recipe_entries(operations)


class LossSettings(BaseModel):
    """What is changed in the loss; what is not given stays as the preset has it: the original's."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    classification: Literal["softmax", "focal"] | None = Field(
        None, description="Cross-entropy with hard negatives, or focal loss over all anchors."
    )
    focal_gamma: float | None = Field(
        None, ge=0, description="For focal loss: how strongly anchors that are sure count less."
    )
    focal_alpha: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="For focal loss: weight of objects; background has the rest. null: both 1.",
    )
    label_smoothing: float | None = Field(
        None, ge=0, lt=1, description="Part of each target that is spread evenly over all classes."
    )
    location: Literal["smooth_l1", "giou", "diou", "ciou"] | None = Field(
        None, description="Compare offsets (smooth_l1), or boxes by a kind of IoU."
    )
    location_weight: float | None = Field(
        None, ge=0, description="Weight of the location loss; the confidence loss has 1."
    )
    negatives: Literal["image", "batch"] | None = Field(
        None, description="Count the hardest negatives of each image, as the original, or of the whole batch."
    )
    neg_pos_ratio: float | None = Field(None, ge=0, description="Most negatives per matched anchor.")
    min_negatives: int | None = Field(
        None, ge=0, description="For negatives of the batch: count at least so many."
    )

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave `focal_alpha` out where it was not given: written as null it would mean something else."""
        values: dict[str, Any] = write(self)
        if "focal_alpha" not in self.model_fields_set:
            values.pop("focal_alpha", None)
        return values
