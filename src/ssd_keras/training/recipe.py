"""The recipe: all settings of a training run, checked, in one YAML file.

The keys of the file, the flags of `ssd train` and the fields of `Recipe` have the same names.
"""

from __future__ import annotations

import difflib
import itertools
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from ssd_keras.errors import InputError
from ssd_keras.files import write_text_whole
from ssd_keras.training.settings import (
    AnchorSettings,
    AugmentationSettings,
    DecodingSettings,
    LossSettings,
    PreprocessingSettings,
)


def _as_several(data: Any) -> Any:
    """Let one path stand for a list of one, as it is mostly written."""
    return (data,) if isinstance(data, str | Path) else data


Names = Annotated[tuple[str, ...], BeforeValidator(_as_several)]


def _as_ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(later <= earlier for earlier, later in itertools.pairwise(values)):
        raise ValueError("each must be greater than the one before")
    return values


Epoch = Annotated[float, Field(gt=0, le=1_000_000)]


def _with_nulls(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _with_nulls(value) for key, value in values.items()}
    return None if values == "null" else values


WANTED = {
    "tuple_type": "write a list, as in [a, b]",
    "model_type": "write its keys below it, as in {key: value}",
    "model_attributes_type": "write its keys below it, as in {key: value}",
    "dict_type": "write its keys below it, as in {key: value}",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "float_type": "give a number",
    "float_parsing": "give a number",
    "finite_number": "give a finite number",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
    "string_type": "give a text",
    "path_type": "give a path",
    "string_pattern_mismatch": "give a link such as http://127.0.0.1:8080",
}
"""What pydantic says in Python's words, in those of a recipe."""

KIND = re.compile(r"(int|float|constrained-.*|(tuple|literal)\[.*|\[key\])$")
"""What pydantic puts among the keys where a value may be of several kinds, or a key is wrong itself."""

SECRETS = ("token", "label_studio_token")
"""Settings whose value stands in no message."""


NOT_SET_HERE = {
    **dict.fromkeys(
        ("class_weight", "class_weights"),
        "classes have no weights in the loss: docs/guides/class_imbalance.md says what helps rare ones",
    ),
    "lr": "write learning_rate, on the command line --learning-rate",
}
"""What other programs can set, or call otherwise, and what to do here in place of it."""


LEARNING_RATE = 3e-3
"""With Adam, from random weights: `benchmarks/few_images.py` compares it with a third of it."""

FINE_TUNING_RATE = 3e-4
"""Where something has been learned that a higher rate would undo."""


class Recipe(BaseModel):
    """Settings of a training run."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    data: Annotated[tuple[Path, ...], BeforeValidator(_as_several)] = Field(
        (), description="The data set: a folder or file of any known format, or several to be taken together."
    )
    train_split: str | None = Field(
        None,
        description="Split to learn from; by default 'train', or all there are. Several: trainval+test.",
    )
    val_split: str | None = Field(
        None, description="Split to evaluate on during training; by default 'val' if it exists."
    )
    class_names: Names | None = Field(None, description="Fix the classes and their order.")
    include_classes: Names | None = Field(
        None, description="Learn only these classes; objects of others are left out."
    )
    exclude_difficult: bool = Field(False, description="Leave out objects marked as difficult.")
    exclude_truncated: bool = Field(False, description="Leave out objects marked as truncated.")

    model: str = Field("ssd7", description="Name of a preset, such as ssd7 or ssd300_vgg16.")
    backbone: str | None = Field(
        None,
        description="In place of a preset: keras:NAME of a keras.applications network, or FILE.py:FUNCTION.",
    )
    backbone_options: dict[str, Any] = Field(
        default_factory=dict, description="Further arguments of the preset's base network."
    )
    weights: str | None = Field(
        None,
        description="Start from imagenet (the base network only), or from a .keras file or run folder, whose "
        "model is then used, with the heads of the classes it knows.",
    )
    freeze: Names = Field(
        (), description="Layers that stay as they are, by the beginning of their names; or backbone."
    )
    image_size: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="Height and width of the network's input; by default the preset's."
    )
    preprocessing: PreprocessingSettings = Field(default_factory=PreprocessingSettings)
    anchors: AnchorSettings = Field(default_factory=AnchorSettings)
    variances: tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None, description="Scale of the offsets (x, y, width, height); by default the preset's."
    )
    iou_threshold: float | None = Field(
        None,
        gt=0,
        le=2,
        description="IoU with an object from which an anchor is trained to predict it, by default 0.5; above "
        "1 only each object's best anchor is.",
    )
    neutral_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="IoU with an object from which an unmatched anchor is neutral, no background; by default "
        "the preset's.",
    )

    epochs: PositiveInt = Field(50, le=1_000_000, description="How often every image is shown.")
    batch_size: PositiveInt = Field(8, description="Images of a training step.")
    accumulate: PositiveInt = Field(
        1, description="Steps whose gradients are averaged before the weights move, for large batches."
    )
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = Field(
        "adam", description="The method that moves the weights."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd and rmsprop.")
    learning_rate: PositiveFloat | None = Field(
        None,
        description="Highest learning rate of the schedule; by default 0.003, and 0.0003 for a model that "
        "starts from weights.",
    )
    learning_rate_factors: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="Factors of the learning rate for some weights: bias, or layers as in freeze.",
    )
    schedule: Literal["constant", "cosine", "multi_step", "plateau"] = Field(
        "cosine", description="Course of the learning rate."
    )
    warmup_epochs: float = Field(
        1.0, ge=0, le=1_000_000, description="Epochs in which the learning rate rises from 0."
    )
    milestones: Annotated[tuple[Epoch, ...], AfterValidator(_as_ascending)] = Field(
        (), description="For multi_step: epochs after which the learning rate falls."
    )
    decay_factor: float = Field(
        0.1, gt=0, lt=1, description="For multi_step and plateau: what the learning rate is multiplied by."
    )
    plateau_patience: PositiveInt = Field(
        10, description="For plateau: epochs without a better score after which the learning rate falls."
    )
    early_stopping: PositiveInt | None = Field(
        None, description="Stop after so many epochs without a better score."
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="How fast the weights of kernels shrink; for sgd and rmsprop added to the gradient, as "
        "in Caffe.",
    )
    ema_momentum: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Use a moving average of the weights, which keeps this share of itself at each step.",
    )
    max_gradient_norm: PositiveFloat | None = Field(
        10.0, description="Shorten gradients that are longer than this; null: never."
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Precision of the network; matching, loss and decoding are always float32."
    )
    loss: LossSettings = Field(default_factory=LossSettings)
    decoding: DecodingSettings = Field(default_factory=DecodingSettings)
    augmentation: AugmentationSettings = Field(default_factory=AugmentationSettings)
    devices: PositiveInt | Literal["all"] = Field(
        1, description="GPUs (or other devices) of this machine that share each batch; or all."
    )
    workers: int = Field(
        0, ge=0, le=256, description="Processes that read and augment images; 0: threads of this one do."
    )
    cache: Literal["none", "encoded", "decoded"] = Field(
        "none",
        description="Keep images in memory: their encoded bytes, which changes no batch; or their pixels, "
        "for which a large JPEG is decoded in full, not at a fraction of its size.",
    )
    cache_mb: PositiveInt = Field(
        2048, description="For cache: at most so many megabytes of images, of all processes together."
    )

    evaluate_every: PositiveInt = Field(5, description="Epochs between two evaluations on the val split.")
    protocol: Literal["voc07", "voc10", "coco"] = Field(
        "voc10", description="How average precision is measured."
    )
    save_minutes: float = Field(
        10.0, ge=0, description="Minutes after which all is saved within an epoch, to resume from there."
    )
    tensorboard: bool = Field(False, description="Also write the log for TensorBoard.")
    seed: int = Field(
        0, ge=0, lt=2**32, description="Fixes the initial weights, the order of images and the augmentation."
    )
    out: Path | None = Field(None, description="The run folder; by default a new one in runs/.")

    @property
    def highest_rate(self) -> float:
        """The learning rate that is asked for, or the usual one."""
        return self.learning_rate or (FINE_TUNING_RATE if self.weights else LEARNING_RATE)

    @model_validator(mode="before")
    @classmethod
    def _null_of_a_flag(cls, values: Any) -> Any:
        """Let --max-gradient-norm null mean what max_gradient_norm: null does in YAML."""
        return _with_nulls(values)

    @model_validator(mode="after")
    def _has_milestones(self) -> Recipe:
        if self.schedule == "multi_step" and not self.milestones:
            raise ValueError("schedule multi_step needs milestones: the epochs after which the rate falls")
        return self


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """Read a recipe from YAML, with `changes` over it; a relative `data` starts at the working directory.

    Raises:
        InputError: the file is missing, is no YAML, or has a key or value that is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"recipe {path} cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"recipe {path} is not a text file: give a YAML file of settings") from error
    try:
        values = yaml.load(text, _StrictLoader) or {}
    except yaml.YAMLError as error:
        raise InputError(f"recipe {path} is not YAML ({_fault_of(error)}): correct the file") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"recipe {path} holds no settings: write lines like 'epochs: 50'")
    return make_recipe(_merged(values, changes), str(path))


def _fault_of(error: yaml.YAMLError) -> str:
    """Say in a few words which line YAML does not understand, and why."""
    place, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if place is None or problem is None:
        return " ".join(str(error).split())
    said = "it begins with a tab, where only blanks may be" if r"'\t'" in problem else problem
    return f"line {place.line + 1}: {said}"


def is_recipe(path: Path) -> bool:
    """Tell whether a file can be read as a recipe."""
    try:
        read_recipe(path)
    except InputError:
        return False
    return True


def make_recipe(values: dict[str, Any], where: str = "recipe") -> Recipe:
    """Check settings; `InputError` names the first that is wrong, and `where` it stood."""
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise InputError(f"{where}: {what_is_wrong(error)}") from error


def what_is_wrong(error: ValidationError) -> str:
    """Say in one line which setting is wrong, its value, and what it should be.

    A secret is not shown.
    """
    errors = error.errors()
    first, path = errors[0], _key_path(errors[0])
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        advice = NOT_SET_HERE.get(path[-1], "see 'ssd train --help'")
        return f"there is no setting {key!r}{_nearest(first['loc'])}: {advice}"
    if first["type"] == "missing":  # of a list of a fixed length
        missing = sum(one["type"] == "missing" for one in errors if _key_path(one)[:-1] == path[:-1])
        key, said = ".".join(path[:-1]) or key, f"give {len(first['input']) + missing} values"
    else:
        said = " or ".join(dict.fromkeys(_wanted(one) for one in errors if _key_path(one) == path))
    if not key or path[-1] in SECRETS:
        return f"{key}: {said}" if key else said
    return f"{key} is {first['input']!r}: {said}"


def _key_path(error: Any) -> list[str]:
    """Give the keys that lead to what is wrong, without pydantic's names of the kinds that it could be."""
    first, *others = map(str, error["loc"] or ("",))
    return [first, *(part for part in others if not KIND.match(part))]


def _wanted(error: Any) -> str:
    """Say what a value should be, in the words of a recipe."""
    if error["type"] == "too_long":
        return f"give {error['ctx']['max_length']} values"
    if error["type"] == "too_short":
        return f"give {error['ctx']['min_length']} or more"
    if error["type"] == "literal_error":
        return f"give {error['ctx']['expected']}"
    if error["type"].startswith(("greater_than", "less_than")):
        return str(error["msg"]).replace("Input should be", "give a number")
    if error["type"] == "value_error":
        return str(error["msg"].removeprefix("Value error, "))
    return str(WANTED.get(error["type"], error["msg"].lower()))


class _StrictLoader(yaml.SafeLoader):
    """YAML in which no key stands twice: the later one would win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a dictionary; `YAMLError` at a key that is there already."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for number, key in enumerate(keys) if key in keys[:number]), None)
        if twice is not None:
            raise yaml.YAMLError(f"the key {twice!r} stands twice")
        return super().construct_mapping(node, deep)


def with_rate(recipe: Recipe) -> Recipe:
    """Write the learning rate out, so that a run keeps it under versions with another usual one."""
    return recipe.model_copy(update={"learning_rate": recipe.highest_rate})


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """Make the paths of a recipe independent of the working directory, so that its run goes on from any."""
    changes: dict[str, Any] = {"data": tuple(path.absolute() for path in recipe.data)}
    for name in ("weights", "backbone"):
        if value := getattr(recipe, name):
            changes[name] = _absolute(value)
    if operations := recipe.augmentation.operations:
        made = [_absolute(one) if isinstance(one, str) else one for one in operations]
        changes["augmentation"] = recipe.augmentation.model_copy(update={"operations": made})
    return recipe.model_copy(update=changes)


def _absolute(place: str) -> str:
    """Make a path, or that of FILE.py:FUNCTION, absolute where there is such a file; else it is no path."""
    file, function, _ = place.partition(".py:")
    is_file = Path(file + function.removesuffix(":")).exists()
    return str(Path(place).absolute()) if is_file else place


def _nearest(path: tuple[int | str, ...]) -> str:
    """Name the setting that was probably meant, of the group where an unknown one stands."""
    model: Any = Recipe
    if path[-1] in NOT_SET_HERE:
        return ""
    for part in path[:-1]:
        model = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return ""
    near = difflib.get_close_matches(str(path[-1]), model.model_fields, n=1)
    return f" (did you mean {'.'.join((*map(str, path[:-1]), near[0]))!r}?)" if near else ""


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write all settings of `recipe` as YAML, as a whole file or none."""
    write_text_whole(path, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay `changes` over `values`, key by key, also inside nested settings."""
    merged = dict(values)
    for key, change in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, change) if isinstance(old, dict) and isinstance(change, dict) else change
    return merged
