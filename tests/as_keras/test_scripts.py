"""Scripts in the ways of ten years run unchanged."""

import pytest

from script_helpers import ALL, SCRIPTS, draw, run

SAYS = {
    "alpaca_course_2023.ipynb": ["base model:  154", "All tests passed!"],
    "autoencoder_2016.py": ["(40, 7, 7, 4)", "True"],
    "callbacks_2021.py": ["test loss, test acc: ["],
    "chollet_second_2021.py": ["(16, 1, 1, 512) (16,)", "(1, 32, 32, 8) 5"],
    "chollet_small_2017.py": ["before freezing the conv base: 30", "conv base: 4", "\n10\n"],
    "cifar10_cnn_2016.py": ["80 train samples", "Test accuracy: "],
    "cifar10_resnet_2018.py": ["['cifar10_ResNet8v1_model.001.h5']"],
    "cnn_visualize_2020.py": ["(1, 30, 30, 8)", "(3, 3, 3, 8) conv2d 8"],
    "denoising_2017.py": ["(40, 28, 28, 1) (None, 16) 16"],
    "dogs_cats_2017.py": ["{'cats': 0, 'dogs': 1} 2 2", "(16, 1)"],
    "f1_metric_2019.py": ["'f1_m', 'loss', 'precision_m'", "True 2", "8 cats/cats.0.jpg"],
    "fashion_2019_tf2.py": ["Test accuracy: ", "(40, 10)"],
    "flowers_2024.py": ["['cats', 'dogs']", "This image most likely belongs to "],
    "gan_2018.py": ["2 [D loss: "],
    "gtsrb_2020.py": ["1 conv2d_1 (None, 22, 22, 8)", "(1, 22, 22, 8)", "(8,) True"],
    "happy_house_2018.ipynb": ["number of training examples = 48", "Test Accuracy = ", "(1, 1)"],
    "inception_2019.py": ["'output_accuracy', 'val_auxilliary_output_1_accuracy'", "(None, 10) 2"],
    "json_weights_2017.py": ["Loaded model from disk", "accuracy: ", "\n40\n"],
    "keras3_2024.py": ["3 True", "True percent cat (1, 2)", "'avg_pool', 'batch_normalization'"],
    "lenet_2016.py": ["[INFO] Predicted: ", "(40,) (2, 10)"],
    "minivgg_argparse_2018.py": ["[INFO] saved True"],
    "losses_2020.py": ["'dice_coef', 'loss', 'val_dice_coef', 'val_loss'", "True"],
    "mlm_kfold_2019.py": ["n=3"],
    "mnist_cnn_2019.py": ["80 train samples", "Test accuracy: "],
    "multi_output_2022.py": ["(5, 4) (5, 1)", "age_mae: ", "[(None, 24, 24, 3), (None, 2)]"],
    "resnet_course_2018.py": ["Test Accuracy = ", "Input image shape: (1, 32, 32, 3)"],
    "segmentation_2021.py": ["MeanIoU: True (8, 32, 32, 3)"],
    "sequence_generator_2019.py": ["12 [0.001, 0.001]", "['loss', 'accuracy', 'mse'] 3"],
    "siamese_2018.py": ["Accuracy "],
    "signs_course_2020.py": ["1,310 parameters"],
    "squeezenet_merge_2016.py": [
        "['accuracy', 'loss', 'val_accuracy', 'val_loss']",
        "Test score: ",
    ],
    "subclassed_2022.py": [
        "on a batch: (3, 10)",
        "\nsame: True",
        "codes: (4, 16, 16, 8)",
        "loaded: True",
    ],
    "tfdata_2022.py": ["5 3", "(3, 10) [1. 1. 1.]", "\n40\n"],
    "transfer_vgg16_2018.py": ["14 block4_pool False", "15 block5_conv1 True"],
    "tuning_loop_2018.py": ["2-conv-8-nodes-1-dense", "True (1, 1)"],
    "unet_2019.py": ["True (2, 32, 32, 1)"],
    "xray_class_weight_2020.ipynb": ["CONFUSION MATRIX True (16, 1)", "auc :  True"],
}
"""What a script prints, among other things, if it has done its work."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with pictures of cats and dogs."""
    folder = tmp_path_factory.mktemp("pictures")
    draw(folder)
    return folder


IN_SHORT = (
    "alpaca_course_2023.ipynb", "cifar10_cnn_2016.py", "dogs_cats_2017.py", "gan_2018.py",
    "siamese_2018.py", "subclassed_2022.py", "tfdata_2022.py", "unet_2019.py",
)  # fmt: skip
"""Those of each kind that are run every time; CI runs all."""


@pytest.mark.parametrize(
    "script", [pytest.param(s, marks=() if s in IN_SHORT else pytest.mark.slow) for s in ALL]
)
def test_script_runs_unchanged(script, pictures, tmp_path):
    """``minicnn run`` runs it to its end, and it prints what shows that it has done its work."""
    (tmp_path / "data").symlink_to(pictures / "data")
    printed, _ = run(SCRIPTS / script, tmp_path)
    assert script in SAYS
    for line in SAYS[script]:
        assert line in printed
