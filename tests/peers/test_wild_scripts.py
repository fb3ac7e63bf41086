"""Scripts as they are found have Keras' numbers: one source, the same weights, no chance."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from script_helpers import ALL, SCRIPTS, draw

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

HELPER = Path(__file__).parents[1] / "helpers" / "twin_helpers.py"

RUNS = [
    "chollet_second_2021.py",
    "fashion_2019_tf2.py",
    "flowers_2024.py",
    "gtsrb_2020.py",
    "keras3_2024.py",
    "losses_2020.py",
    "mnist_cnn_2019.py",
    "multi_output_2022.py",
    "segmentation_2021.py",
    "subclassed_2022.py",
    "tfdata_2022.py",
]
"""Those that Keras 3 runs."""

IN_SHORT = (
    "flowers_2024.py", "keras3_2024.py", "mnist_cnn_2019.py", "multi_output_2022.py",
    "subclassed_2022.py",
)  # fmt: skip
"""Those that are run every time; the others take minutes."""

DEEP = ["chollet_second_2021.py"]
"""Those whose rounding alone moves a loss by 2e-3: they compute in float64."""

EAGER = ["multi_output_2022.py"]
"""Those whose outputs have losses of their own, and whose last batch is short. In a graph of
TensorFlow's, Keras does not know how long it is, and averages such losses over the batches; run
eagerly, and on its other backends, over the samples, as Keras 2 did."""

GENERATOR, LR, NAMES = "'ImageDataGenerator'", "{'lr': ", "No module named 'keras."
GONE = {
    "autoencoder_2016.py": "border_mode",
    "callbacks_2021.py": "must end in `.weights.h5`",
    "chollet_small_2017.py": GENERATOR,
    "cifar10_cnn_2016.py": NAMES,
    "cifar10_resnet_2018.py": GENERATOR,
    "cnn_visualize_2020.py": LR,
    "denoising_2017.py": "int_shape",
    "dogs_cats_2017.py": GENERATOR,
    "f1_metric_2019.py": GENERATOR,
    "gan_2018.py": NAMES,
    "inception_2019.py": "'np_utils'",
    "json_weights_2017.py": "'np_utils'",
    "lenet_2016.py": NAMES,
    "minivgg_argparse_2018.py": NAMES,
    "mlm_kfold_2019.py": LR,
    "resnet_course_2018.py": "'layer_utils'",
    "sequence_generator_2019.py": LR,
    "siamese_2018.py": "Lambda.call()",
    "signs_course_2020.py": "MaxPooling2D.call()",
    "squeezenet_merge_2016.py": "'merge'",
    "transfer_vgg16_2018.py": GENERATOR,
    "tuning_loop_2018.py": "TensorBoard is not installed",
    "unet_2019.py": "'input': <KerasTensor",
}
"""Those that it does not, and what it stops at."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with pictures of cats and dogs."""
    pytest.importorskip("keras", reason="Keras is not installed")
    folder = tmp_path_factory.mktemp("pictures")
    draw(folder, ending="png")  # TensorFlow and Pillow decode JPEG a little differently
    return folder


def run(library, script, folder):
    """Run a script in a process of its own; returns the process that is done."""
    environment = os.environ | {"MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PRECISION"] = "float64" if script in DEEP else "float32"
    if script in EAGER:
        environment["EAGER"] = "1"
    command = [sys.executable, str(HELPER), library, str(SCRIPTS / script)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize(
    "script",
    [pytest.param(s, marks=() if s in IN_SHORT else pytest.mark.slow) for s in RUNS],
)
def test_numbers_of_a_script(script, pictures, tmp_path):
    """Each of its ``fit`` has Keras' losses after an epoch, within 1e-3."""
    (tmp_path / "data").symlink_to(pictures / "data")
    for library in ("keras", "minicnn"):
        done = run(library, script, tmp_path)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    theirs, ours = (json.loads((tmp_path / f).read_text()) for f in ("KERAS.json", "MINICNN.json"))
    assert len(theirs) == len(ours) > 0
    for one, other in zip(theirs, ours, strict=True):
        assert other.keys() == one.keys()
        for name in one:
            if "loss" in name:
                np.testing.assert_allclose(other[name][0], one[name][0], 1e-3, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("script", GONE)
def test_keras_stops_at(script, pictures, tmp_path):
    """Keras 3 itself does not run it any more."""
    if "TensorBoard" in GONE[script] and importlib.util.find_spec("tensorboard"):
        pytest.skip("Keras runs this one where TensorBoard is installed.")
    (tmp_path / "data").symlink_to(pictures / "data")
    done = run("keras", script, tmp_path)
    assert done.returncode != 0
    assert GONE[script] in done.stderr


def test_no_script_is_left_out():
    """Each script is run by Keras 3, or known not to be; it runs no notebooks."""
    assert sorted([*RUNS, *GONE]) == [script for script in ALL if script.endswith(".py")]
