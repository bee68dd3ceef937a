"""`model.yml` in the versions of PaddleX's schema."""

import math

import numpy as np
import pytest
from conftest import ROOT
from fixtures.paddlex_transforms import CASES, picture

from human_segmentation.errors import ModelError
from human_segmentation.inference.model_config import LEGACY_NETWORKS, NETWORKS, ModelConfig
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.inference.transforms import from_yaml, to_yaml
from human_segmentation.models.legacy import paddlex_name
from human_segmentation.models.zoo import MODELS

# As PaddleX 1.3.11 writes it, with the tuple of a Python list of transforms.
VERSION_1_3 = """
Model: DeepLabv3p
Transforms:
- Resize:
    interp: LINEAR
    target_size: !!python/tuple
    - 512
    - 384
- Normalize:
    max_val: [255.0, 255.0, 255.0]
    mean: [0.5, 0.5, 0.5]
    min_val: [0, 0, 0]
    std: [0.5, 0.5, 0.5]
TransformsMode: BGR
_Attributes:
  eval_metrics: {miou: 0.75}
  fixed_input_shape: null
  labels: [背景, 人]
  model_type: segmenter
  num_classes: 2
_init_params: {backbone: Xception65, num_classes: 2, output_stride: 16}
completed_epochs: 7
status: Normal
version: 1.3.11
"""
# Without TransformsMode, min_val and max_val.
VERSION_1_0 = """
Model: HRNet
Transforms:
- ResizeByLong: {long_size: 512}
- Padding: {target_size: [640, 512], im_padding_value: [127.5, 127.5, 127.5], label_padding_value: 255}
- Normalize: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
_Attributes: {labels: [a, b, c], model_type: segmenter, num_classes: 3}
_ModelInputsOutputs:
  test_inputs: [[image, image]]
  test_outputs: [[pred, unsqueeze2_0.tmp_0], [logit, softmax_0.tmp_0]]
_init_params: {num_classes: 3, width: 18_small_v1}
status: Infer
version: 1.0.0
"""
VERSION_0 = """
Model: HRNet
BatchTransforms: []
Transforms:
- - DecodeImage
  - {to_rgb: false, with_mixup: false}
- - ResizeByShort
  - {target_size: 256, max_size: 0}
- - Normalize
  - {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
- - Permute
  - {to_bgr: false}
- - ArrangeSegmenter
  - {mode: eval}
_Attributes: {labels: [a, b], model_type: segmenter}
_init_params: {model_name: HRNet, num_classes: 2, width: 18_small_v1}
save_method: fluid.save_inference_model
version: 0.1.7
"""


def read(folder, text):
    (folder / "model.yml").write_text(text, encoding="utf-8")
    return ModelConfig.read(folder)


def test_version_1_3(tmp_path):
    assert read(tmp_path, VERSION_1_3) == ModelConfig(
        "HumanSegServer",
        "Normal",
        Preprocess(512, 384, interp="LINEAR"),
        epochs=7,
        metrics={"miou": 0.75},
        legacy=True,
    )


def test_version_1_0(tmp_path):
    rules = Preprocess(
        640,
        512,
        "RGB",
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        interp="LINEAR",
        padding=128,
        centered=False,
        sides=(512, math.inf),
    )
    assert read(tmp_path, VERSION_1_0) == ModelConfig("HumanSegMobile", "Infer", rules, num_classes=3, legacy=True)


def test_version_0(tmp_path):
    rules = Preprocess(256, 256, interp="NEAREST", sides=(math.inf, 256))
    assert read(tmp_path, VERSION_0) == ModelConfig("HumanSegMobile", "Infer", rules, legacy=True)
    assert read(tmp_path, VERSION_0.replace("fluid.save_inference_model", "fluid.save")).status == "Normal"
    assert read(tmp_path, VERSION_0.replace("to_rgb: false", "to_rgb: true")).preprocess.color == "RGB"


def test_trained_without_photos_to_measure_on(tmp_path):
    start, end = VERSION_1_3.index("Transforms:"), VERSION_1_3.index("_Attributes:")
    config = read(tmp_path, VERSION_1_3[:start] + VERSION_1_3[end:])
    assert config.preprocess == Preprocess(192, 192, "BGR", interp="LINEAR")


@pytest.mark.parametrize("text", [VERSION_1_3, VERSION_1_0, VERSION_0])
def test_what_is_written_again_says_the_same(tmp_path, text):
    config = read(tmp_path, text)
    config.write(tmp_path)
    again = ModelConfig.read(tmp_path)
    assert again.preprocess == config.preprocess
    assert (again.model, again.status, again.legacy) == (config.model, config.status, False)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("DeepLabv3p", "FasterRCNN", "the model FasterRCNN is unknown; give a model of one of HumanSegMobile"),
        ("Normal\n", "Prune\n", "the status Prune is unknown; .* not pruned"),
        ("status: Normal", "", r"the file is broken \(the entry status is missing\);"),
        ("Model: DeepLabv3p", "", r"\(the entry Model is missing\)"),
        ("    target_size: !!python/tuple\n    - 512\n    - 384\n", "", r"\(the entry target_size is missing\)"),
        ("Transforms:\n", "Transforms: {}\nOthers:\n", r"\(Transforms is no list\)"),
        ("_init_params: {", "_init_params: 3\nothers: {", r"\(_init_params is no table of names and values\)"),
        ("std: [0.5, 0.5, 0.5]", "std: 0.5", r"\(an entry has another form than it should\)"),
        ("std: [0.5, 0.5, 0.5]", "std: [0.5, 0, 0.5]", r"\(std is \[0.5, 0.0, 0.5\], not above 0\)"),
        ("std: [0.5, 0.5, 0.5]", "std: [.nan, 0.5, 0.5]", r"\(std is \[nan, 0.5, 0.5\], not three numbers\)"),
        ("mean: [0.5, 0.5, 0.5]", "mean: [0.5, -.inf, 0.5]", r"\(mean is \[0.5, -inf, 0.5\], not three numbers\)"),
        ("min_val: [0, 0, 0]", "min_val: [0, 0, 255]", r"\(max_val is .*, not above min_val, \[0.0, 0.0, 255.0\]\)"),
        ("num_classes: 2\n", "num_classes: 1\n", r"\(num_classes is 1, not a whole number from 2 to 255\)"),
        ("num_classes: 2\n", "num_classes: -3\n", "num_classes is -3, not a whole"),
        ("num_classes: 2\n", "num_classes: 2.7\n", "num_classes is 2.7, not a whole"),
        ("num_classes: 2\n", "num_classes: 1000000000\n", "num_classes is 1000000000, not a whole"),
        ("- Resize", "- RandomCrop", "the transform RandomCrop is unknown"),
        ("!!python/tuple", "!!python/object/apply:os.getcwd", "could not determine a constructor"),
        ("num_classes: 2\n", "num_classes: .inf\n", "num_classes is inf, not a whole"),
        ("- 384", "- 384\n    - 3", "too many values"),
        ("mean: [0.5, 0.5, 0.5]", "mean: [0.5, 0.5]", "one value a channel"),
        ("_Attributes:\n", "_Attributes: [" * 2000, "recursion"),
    ],
)
def test_broken(tmp_path, old, new, words):
    assert old in VERSION_1_3
    with pytest.raises(ModelError, match=rf"^{tmp_path}/model\.yml: .*{words}") as caught:
        read(tmp_path, VERSION_1_3.replace(old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("width", ["1.0e+300", "8.5", "0", "-1.0", ".nan", "wide"])
def test_impossible_widths(tmp_path, width):
    ModelConfig("PortraitNet", "Normal", Preprocess()).write(tmp_path)
    path = tmp_path / "model.yml"
    path.write_text(path.read_text().replace("\n  width: 1.0\n", f"\n  width: {width}\n"))
    with pytest.raises(ModelError, match=r"\(width is .*, not a number above 0 and at most 8\); export or copy"):
        ModelConfig.read(tmp_path)


@pytest.mark.parametrize("text", ["", "42", "- a\n- b\n"])
def test_a_file_without_entries(tmp_path, text):
    with pytest.raises(ModelError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == (
        f"{tmp_path}/model.yml: the file is broken (the content of the file is no table of names and values); "
        "export or copy the model again"
    )


def test_a_file_for_a_folder_and_a_folder_for_a_file(tmp_path):
    (tmp_path / "model.pdparams").touch()
    with pytest.raises(
        ModelError, match=r"model\.pdparams: this is a file; give the folder of a model with --model_dir"
    ):
        ModelConfig.read(tmp_path / "model.pdparams")
    (tmp_path / "model.yml").mkdir()
    with pytest.raises(ModelError, match=r"/model\.yml: the file cannot be read \(Is a directory\); give the folder"):
        ModelConfig.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "old", "new", "what"),
    [
        (VERSION_1_0, "width: 18_small_v1", "width: 18", "HRNet with width 18"),
        (VERSION_1_3, "Xception65", "MobileNetV2_x1.0", "DeepLabv3p with backbone MobileNetV2_x1.0"),
        (VERSION_1_3, "output_stride: 16", "output_stride: 8", "DeepLabv3p with output_stride 8"),
        (
            VERSION_1_3,
            "{backbone",
            "{pooling_crop_size: [96, 64], backbone",
            "DeepLabv3p with pooling_crop_size [96, 64]",
        ),
    ],
)
def test_a_network_of_paddlex_that_is_unknown_here(tmp_path, text, old, new, what):
    assert old in text
    text = text.replace(old, new).replace("status: Infer", "status: Normal")
    with pytest.raises(ModelError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == (
        f"{tmp_path}/model.yml: the model {what} is unknown; give a model of one of HumanSegMobile, HumanSegServer, "
        "PortraitNet, or of PaddleX 1.x HRNet with width 18_small_v1 or DeepLabv3p with backbone Xception65 and the "
        "other options as usual"
    )
    # Paddle runs what PaddleX exported, whatever it is.
    assert read(tmp_path, text.replace("status: Normal", "status: Infer")).model == what


def test_a_border_that_no_pixel_can_have():
    steps = [{"Normalize": {}}, {"Padding": {"target_size": 64, "im_padding_value": [127.5, 127.5, 127.5]}}]
    with pytest.raises(ValueError, match="no pixel value where it stands"):
        from_yaml({"Transforms": steps})


def test_a_border_around_a_fixed_size():
    steps = [{"Resize": {"target_size": 32}}, {"Padding": {"target_size": [32, 64]}}]
    with pytest.raises(ValueError, match="Padding to 32x64 after a Resize to 32x32"):
        from_yaml({"Transforms": steps})


@pytest.mark.parametrize("name", CASES)
def test_makes_of_a_picture_what_paddlex_does(name):
    mode, steps = CASES[name]
    expected = np.load(ROOT / "tests" / "fixtures" / "paddlex_transforms.npz")[name]
    rules = from_yaml({"TransformsMode": mode, "Transforms": steps})
    tensor = rules.normalize(rules.resize(picture())[None])[0]
    assert tensor.shape == expected.shape
    of_a_pixel = 1 / (np.subtract(rules.max_val, rules.min_val) * rules.std)
    # PaddleX interpolates in float, and its grey border is 127.5.
    assert (np.abs(tensor - expected) <= 0.75 * of_a_pixel.reshape(3, 1, 1)).all()
    assert from_yaml(to_yaml(rules)) == rules


@pytest.mark.parametrize("name", CASES)
def test_the_way_back_shows_the_frame(name):
    mode, steps = CASES[name]
    rules = from_yaml({"TransformsMode": mode, "Transforms": steps})
    frame = np.zeros_like(picture())
    frame[10:25, 15:40] = 255
    alpha = rules.restore(rules.resize(frame)[..., 0] / np.float32(255), frame.shape[1::-1])
    assert alpha.shape == frame.shape[:2]
    assert (alpha[14:21, 19:36] > 0.99).all()
    assert alpha[:6].max() == alpha[29:].max() == alpha[:, :11].max() == alpha[:, 44:].max() == 0


def test_another_size_stretches_what_had_no_size():
    rules = from_yaml({"Transforms": [{"ResizeByLong": {"long_size": 32}}, {"Padding": {"target_size": [40, 48]}}]})
    assert rules.resized(24, 16).resize(picture()).shape == (16, 24, 3)
    kept = from_yaml({"Transforms": [{"ResizeByLong": {"long_size": 32}}, {"Padding": {"target_size": 32}}]})
    assert kept.resized(24, 24).content((53, 37)) == (0, 0, 24, 17)


def test_the_names_of_networks():
    assert set(MODELS) == set(NETWORKS)
    for network in LEGACY_NETWORKS.values():
        assert paddlex_name(network, "logit.conv.weight").endswith("weights")
