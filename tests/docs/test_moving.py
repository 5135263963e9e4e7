"""The pages for users of other SSDs: every name that they say we have is one that we have.

Tables have a column "there" with names of the other program and columns "in Python", "in a recipe" or "on the
command line" with ours. Every code span in these, and every block of code, is held against the package:
attributes, arguments, keys and values of recipes, commands and their flags. Nothing is run.
"""

import ast
import dataclasses
import importlib
import inspect
import re
import shlex
import types
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import BaseModel

import ssd_keras as ssd
from ssd_keras import cli
from ssd_keras.boxes.anchors import PaperAnchors, ScaledAnchors
from ssd_keras.data.augment.one_touch import AugmentedSample
from ssd_keras.data.augment.operations import OPERATIONS, OperationChain, Traced, make_operations
from ssd_keras.errors import InputError
from ssd_keras.evaluation.coco import CocoResult
from ssd_keras.evaluation.voc import VocResult
from ssd_keras.models.building import build_on_backbone, build_preset
from ssd_keras.models.loss import Targets
from ssd_keras.models.preprocessing import ImagePreprocessing
from ssd_keras.training.recipe import make_recipe

PAGES = sorted((Path(__file__).parents[2] / "docs" / "moving").glob("*.md"), key=lambda page: page.name)
OURS = ("in Python", "in a recipe", "on the command line")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9.-]*")

# What the port of 2018 offered: each name has to have its row.
PORT_OF_2018 = """
    ssd_300 ssd_512 build_model image_size n_classes mode l2_regularization min_scale max_scale scales
    aspect_ratios_global aspect_ratios_per_layer two_boxes_for_ar1 steps offsets clip_boxes variances coords
    normalize_coords subtract_mean divide_by_stddev swap_channels confidence_thresh iou_threshold top_k
    nms_max_output_size return_predictor_sizes AnchorBoxes this_scale next_scale this_steps this_offsets
    L2Normalization gamma_init DecodeDetections DecodeDetectionsFast SSDLoss neg_pos_ratio n_neg_min alpha
    smooth_L1_loss log_loss compute_loss SSDInputEncoder img_height img_width predictor_sizes matching_type
    pos_iou_threshold neg_iou_limit border_pixels background_id diagnostics generate_anchor_boxes_for_layer
    generate_encoding_template DegenerateBoxError decode_detections decode_detections_fast
    decode_detections_debug greedy_nms get_num_boxes_per_pred_layer get_pred_layers input_coords
    match_bipartite_greedy match_multi iou intersection_area convert_coordinates convert_coordinates2
    DataGenerator load_images_into_memory hdf5_dataset_path filenames filenames_type images_dir labels
    image_ids eval_neutral labels_output_format verbose parse_csv labels_filename input_format
    include_classes random_sample ret parse_xml images_dirs image_set_filenames annotations_dirs classes
    exclude_truncated exclude_difficult parse_json annotations_filenames ground_truth_available
    create_hdf5_dataset resize variable_image_size load_hdf5_dataset generate batch_size shuffle
    transformations label_encoder returns processed_images encoded_labels matched_anchors processed_labels
    evaluation-neutral inverse_transform original_images original_labels keep_images_without_gt
    degenerate_box_handling save_dataset get_dataset get_dataset_size DegenerateBatchError DatasetError
    ConvertColor ConvertDataType ConvertTo3Channels Hue RandomHue Saturation RandomSaturation Brightness
    RandomBrightness Contrast RandomContrast Gamma RandomGamma HistogramEqualization
    RandomHistogramEqualization ChannelSwap RandomChannelSwap Resize ResizeRandomInterp Flip RandomFlip
    Translate RandomTranslate Scale RandomScale Rotate RandomRotate PatchCoordinateGenerator must_match
    min_aspect_ratio max_aspect_ratio patch_ymin patch_xmin patch_height patch_width patch_aspect_ratio
    CropPad Crop Pad RandomPatch can_fail RandomPatchInf RandomMaxCropFixedAR RandomPadFixedAR
    BoundGenerator sample_space weights BoxFilter check_overlap check_min_area check_degenerate
    overlap_criterion overlap_bounds min_area ImageValidator n_boxes_min n_trials_max prob background
    labels_format SSDRandomCrop SSDExpand SSDPhotometricDistortions SSDDataAugmentation
    DataAugmentationConstantInputSize DataAugmentationVariableInputSize DataAugmentationSatellite
    random_brightness random_contrast random_saturation random_hue random_flip random_translate random_scale
    random_rotate bounds_box_filter bounds_validator resize_height resize_width return_inverter
    apply_inverse_transforms Evaluator model_mode pred_format gt_format data_generator_mode
    round_confidences matching_iou_threshold sorting_algorithm average_precision_mode num_recall_points
    ignore_neutral_boxes return_precisions return_recalls return_average_precisions
    decoding_confidence_thresh decoding_iou_threshold decoding_top_k decoding_pred_coords
    decoding_normalize_coords decoding_border_pixels predict_on_dataset write_predictions_to_txt
    get_num_gt_per_class match_predictions compute_precision_recall compute_average_precisions
    compute_mean_average_precision predict_all_to_json get_coco_category_maps sample_tensors weights_list
    sampling_instructions axes init mean stddev
"""

# Classes of what these functions give, one of which has what is asked for.
RESULTS = {
    "open_dataset": (ssd.Dataset,),
    "train": (ssd.Run,),
    "evaluate": (VocResult, CocoResult),
    "make_targets": (Targets,),
    "trace": (Traced,),
    "__call__": (AugmentedSample,),  # of a chain
}
MODELS = ("from_preset", "from_backbone", "load_detector")


# --- Reading the pages --------------------------------------------------------------------------------------


def without_blocks(text):
    return FENCE.sub("", text)


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def tables_of(text):
    """The tables of a page: their header cells and their rows."""
    rows = []
    for line in [*without_blocks(text).splitlines(), ""]:
        if line.startswith("|"):
            rows.append(cells_of(line))
        elif rows:
            yield rows[0], rows[2:]
            rows = []


def our_spans(text):
    """The code spans in the columns that are about us."""
    for header, rows in tables_of(text):
        ours = [place for place, name in enumerate(header) if name.startswith(OURS)]
        for row in rows if header[0] == "there" else ():
            for place in ours:
                yield from SPAN.findall(row[place])


def commands_in(text):
    """Every command line of the blocks."""
    for language, block in FENCE.findall(text):
        if language in ("sh", "bash"):
            lines = block.replace("\\\n", "").splitlines()
            yield from (line for line in lines if line.startswith("ssd "))


def blocks_in(text, language):
    return [block for name, block in FENCE.findall(text) if name == language]


# --- Commands -----------------------------------------------------------------------------------------------


def check_command(line):
    """Parse a command line as `ssd` does, without running it."""
    words = shlex.split(line, comments=True)[1:]
    cli.app.parse_args(words, exit_on_error=False, print_error=False)


# --- Recipes ------------------------------------------------------------------------------------------------


def nested(values):
    """Turn {"loss.negatives": "batch"} into {"loss": {"negatives": "batch"}}."""
    made = {}
    for key, value in values.items():
        *groups, last = str(key).split(".")
        here = made
        for group in groups:
            here = here.setdefault(group, {})
        here[last] = value
    return made


def is_key_of_recipe(key):
    model = ssd.Recipe
    for part in key.split("."):
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            return False
        model = model.model_fields[part].annotation
    return True


def check_recipe(values):
    recipe = make_recipe(nested(values))
    make_operations(recipe.augmentation.operations or ())


def check_setting(span):
    """Check a key of a recipe, with a value or without, or an operation."""
    if is_key_of_recipe(span) or span in OPERATIONS:
        return
    values = yaml.safe_load(span)
    if not isinstance(values, dict):
        raise InputError(f"{span} is neither Python nor a setting nor a command")
    if span.startswith("{"):
        make_operations([values])
    elif "schedule" in values and values["schedule"] == "multi_step":
        check_recipe({"milestones": [1], **values})
    else:
        check_recipe(values)


# --- Python -------------------------------------------------------------------------------------------------


class Unknown:
    """What the tests know nothing about."""


UNKNOWN = Unknown()


class Instance:
    """An object of one of some classes, where no object is at hand."""

    def __init__(self, *classes):
        self.classes = classes

    def member(self, name):
        for one in self.classes:
            if hasattr(one, name):
                return getattr(one, name) if inspect.isroutine(getattr(one, name)) else UNKNOWN
            if name in getattr(one, "__annotations__", {}):
                return UNKNOWN
        raise AttributeError(f"no {name!r} in {', '.join(one.__name__ for one in self.classes)}")


@pytest.fixture(scope="module")
def known():
    """What the names in the pages stand for."""
    nothing = ssd.Detections([], [], [], ("car",), (4, 4))
    sample = ssd.Sample(np.zeros((4, 4, 3), np.uint8), ssd.GroundTruth.empty(), "0")
    split = ssd.Split("train", (sample,), ("car",))
    return {
        "ssd": ssd,
        "ssd_keras": ssd,
        "model": ssd.SSD.from_preset("ssd7", ["car"]),
        "data": ssd.Dataset(("car",), dict.fromkeys(("train", "val", "test", "val2017"), split), "mine"),
        "sample": sample,
        "detections": nothing,
        "chain": OperationChain([]),
        "len": len,
    }


class Reader:
    """Reads Python without running it; raises where a name, an attribute or an argument does not exist."""

    def __init__(self, known):
        self.names = dict(known)
        self.model = known["model"]

    def check(self, text):
        for node in ast.parse(text).body:
            self.statement(node)

    def statement(self, node):
        match node:
            case ast.Import() | ast.ImportFrom():
                self.imported(node)
            case ast.Assign():
                value = self.value(node.value)
                for target in node.targets:
                    self.assign(target, value)
            case ast.For():
                self.value(node.iter)
                self.assign(node.target, UNKNOWN)
                for one in node.body:
                    self.statement(one)
            case ast.With():
                for item in node.items:
                    self.value(item.context_expr)
                    self.assign(item.optional_vars, UNKNOWN)
                for one in node.body:
                    self.statement(one)
            case ast.If():
                for one in (*node.body, *node.orelse):
                    self.statement(one)
            case ast.Expr():
                self.value(node.value)

    def imported(self, node):
        if isinstance(node, ast.Import):
            for name in node.names:
                ours = name.name.startswith("ssd_keras")
                module = importlib.import_module(name.name) if ours else UNKNOWN
                self.names[name.asname or name.name] = module
        elif node.module.startswith("ssd_keras"):
            module = importlib.import_module(node.module)
            for name in node.names:
                self.names[name.asname or name.name] = member_of(module, name.name)
        else:
            self.names.update({name.asname or name.name: UNKNOWN for name in node.names})

    def assign(self, target, value):
        match target:
            case ast.Name():
                self.names[target.id] = value
            case ast.Tuple():
                for one in target.elts:
                    self.assign(one, UNKNOWN)
            case ast.Attribute():
                member_of(self.value(target.value), target.attr)

    def value(self, node):
        match node:
            case ast.Name():
                return self.names.get(node.id, UNKNOWN)
            case ast.Attribute():
                return member_of(self.value(node.value), node.attr)
            case ast.Call():
                return self.call(node)
            case ast.Subscript():
                return self.item(node)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr | ast.comprehension):
                        self.value(child)
                return UNKNOWN

    def item(self, node):
        whole = self.value(node.value)
        self.value(node.slice)
        if isinstance(whole, ssd.Dataset | ssd.Split) and isinstance(node.slice, ast.Constant):
            return whole[node.slice.value] if len(whole) else UNKNOWN
        return UNKNOWN

    def call(self, node):
        function = self.value(node.func)
        for argument in (*node.args, *(word.value for word in node.keywords)):
            self.value(argument)
        if isinstance(function, Unknown):
            return UNKNOWN
        check_arguments(function, len(node.args), {word.arg: word.value for word in node.keywords})
        name = getattr(function, "__name__", "__call__")
        if name in MODELS:
            return self.model
        if name in RESULTS:
            return Instance(*RESULTS[name])
        return Instance(function) if isinstance(function, type) else UNKNOWN


def member_of(value, name):
    """The attribute of something known; `AttributeError` if there is none."""
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, Instance):
        return value.member(name)
    if isinstance(value, types.ModuleType) and not hasattr(value, name):
        try:
            return importlib.import_module(f"{value.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"{value.__name__} has no {name!r}") from error
    return getattr(value, name)


def check_arguments(function, positional, keywords):
    """Raise `TypeError` at an argument that there is not."""
    name = getattr(function, "__name__", "")
    if name == "from_preset":
        check_changes(build_preset, keywords)
    elif name == "from_backbone":
        check_changes(build_on_backbone, keywords)
    elif isinstance(function, type) and issubclass(function, BaseModel):
        check_recipe({key: ast.literal_eval(value) for key, value in keywords.items()})
    else:
        inspect.signature(function).bind_partial(*[None] * positional, **keywords)


def check_changes(build, keywords):
    """Check arguments of `from_preset`: those of the builder, and those that it hands to `SSD`."""
    allowed = {*inspect.signature(build).parameters, *inspect.signature(ssd.SSD.__init__).parameters}
    fields = {field.name for kind in (PaperAnchors, ScaledAnchors) for field in dataclasses.fields(kind)}
    for name, value in keywords.items():
        if name not in allowed:
            raise TypeError(f"from_preset takes no argument {name!r}")
        keys = [key.value for key in value.keys] if isinstance(value, ast.Dict) else []
        if name == "anchor_changes" and not set(keys) <= fields:
            raise TypeError(f"anchors have no {set(keys) - fields}")
        if name == "preprocessing":
            inspect.signature(ImagePreprocessing).bind(**dict.fromkeys(keys))


def is_python(span, names):
    """Tell Python that is about something we know from a setting."""
    try:
        tree = ast.parse(span)
    except SyntaxError:
        return False
    (statement,) = tree.body
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return True
    if not isinstance(statement, ast.Assign | ast.Expr):
        return False  # "model: ssd7" is a setting, and would be an annotation
    return any(isinstance(node, ast.Name) and node.id in {*names, "boxes"} for node in ast.walk(tree))


def check_span(span, known):
    """Check what stands between two backticks in a column of ours."""
    if span.startswith("ssd "):
        check_command(span)
    elif not is_python(span, known):
        check_setting(span)
    elif re.match(r"\w+=", span):
        (call,) = ast.parse(f"ssd.SSD.from_preset('ssd7', class_names, {span})").body
        Reader(known).statement(call)
    else:
        Reader(known).check(span)


# --- The tests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_in_tables(page, known):
    faults = []
    for span in our_spans(page.read_text(encoding="utf-8")):
        try:
            check_span(span, known)
        except Exception as error:
            faults.append(f"{span}: {type(error).__name__}: {error}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands(page):
    text = page.read_text(encoding="utf-8")
    for line in commands_in(text):
        check_command(line)
    for span in SPAN.findall(without_blocks(text)):
        if span.startswith("ssd "):
            check_command(span)


def test_flags_alone_belong_to_a_command():
    """Flags that a text names without their command are at least flags of some command."""
    known = set()
    for command in (["convert"], ["weights", "import"], ["train"], ["evaluate"], ["detect"], ["export"]):
        app = cli.app
        for word in command:
            app = app[word]
        arguments = app.assemble_argument_collection()
        known |= {name for argument in arguments for name in argument.names if name.startswith("--")}
    for page in PAGES:
        text = without_blocks(page.read_text(encoding="utf-8"))
        kept = "\n".join(line for line in text.splitlines() if not line.startswith("| `--"))
        for span in SPAN.findall(kept):
            for flag in FLAG.findall(span) if span.startswith("--") else ():
                assert flag in known, f"{page.name}: {flag}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_and_recipes_in_blocks(page, known):
    text = page.read_text(encoding="utf-8")
    for block in blocks_in(text, "python"):
        Reader(known).check(block)
    for block in blocks_in(text, "yaml"):
        check_recipe(yaml.safe_load(block))


def test_every_name_of_the_port_of_2018_has_its_row():
    text = next(page for page in PAGES if page.stem == "keras_2018").read_text(encoding="utf-8")
    names = [row[0] for header, rows in tables_of(text) if header[0] == "there" for row in rows]
    words = {word for name in names for span in SPAN.findall(name) for word in re.findall(r"[\w-]+", span)}
    assert not [name for name in PORT_OF_2018.split() if name not in words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_where_there_is_no_counterpart_the_reason_is_said(page):
    for header, rows in tables_of(page.read_text(encoding="utf-8")):
        ours = [place for place, name in enumerate(header) if name.startswith(OURS)]
        for row in rows if ours and header[0] == "there" else ():
            assert len(row) == len(header), row[0]
            assert any(row[place] != "none" for place in ours) or row[-1], row[0]
            assert all(row[place] == "none" or SPAN.search(row[place]) for place in ours), row[0]


def anchors_in(text):
    """The places of a page that a link can name."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", without_blocks(page.read_text(encoding="utf-8"))):
        if link.startswith("https://"):
            continue
        path, _, place = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not place or place in anchors_in(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize(
    "span",
    [
        "ssd convert DATA OUT --to voc --no-such-flag",
        "ssd convrt DATA OUT",
        "ssd evaluate runs/mine",
        "ssd.SSD.from_presets('ssd7', class_names)",
        "ssd.SSD.from_preset('ssd7', class_names, image_sizes=(3, 3))",
        "image_sizes=(300, 300)",
        'anchor_changes={"step": (8,)}',
        'preprocessing={"means": 1}',
        "decoding=ssd.Decoding(top_k=200)",
        "ssd_keras.boxes.matching.match_greedy(iou)",
        "ssd_keras.boxes.matchings.match_bipartite(iou)",
        "model.anchor_box",
        "model.decoder(quick=True)",
        "detections.boxes",
        "ssd.evaluate(model, data['test']).AP",
        "ssd_keras.data.loader.TrainingLoader(samples, (300, 300), 16, chain, 0).batchs",
        "chain(sample, rng, (300, 300)).to_originals",
        "modell: ssd7",
        "data: {a: b}",
        "loss.negative",
        "loss.negatives: images",
        "anchors.step: [8]",
        "no_such_operation",
        "{flip: {directions: vertical}}",
        "{flips: {}}",
    ],
)
def test_a_wrong_name_is_found(span, known):
    with pytest.raises(Exception):  # noqa: B017 - of argument parsing, of Python or of a recipe
        check_span(span, known)
