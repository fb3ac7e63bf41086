"""Weights from files: of minicnn, of Keras' form of 2017, from Keras' folder or a server."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import h5py
import numpy as np
import pytest

from minicnn import applications
from minicnn.applications import mobilenet, request
from minicnn.errors import DataError, ModelFileError
from minicnn.utils import set_random_seed

SHAPE = (32, 32, 3)
SMALL = {"alpha": 0.25, "include_top": False}


def as_published(model, path):
    """Write weights as Keras' files have them: groups by layer, all names of layers in order."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.1.5"
        for layer in model.layers:
            group = file.create_group(layer.name)
            arrays = [np.asarray(a) for a in layer.get_weights()]
            if layer.name.startswith("normalization"):
                arrays[2] = arrays[2].astype("i8")  # the count, which Keras has as a whole number
            names = [f"{layer.name}/{layer.name}_{i}:0" for i in range(len(arrays))]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays, strict=True):
                group[name] = array


def random(make, *args, **kwargs):
    """A network whose arrays are all its own, also those that begin as zeros and ones."""
    model, rng = make(*args, weights=None, **kwargs), np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1, a.shape) if a.ndim else 1 for a in model.get_weights()])
    return model


def same(one, other):
    a, b = one.get_weights(), other.get_weights()
    return len(a) == len(b) and all(map(np.array_equal, a, b))


@pytest.mark.parametrize("ending", [".weights.h5", ".h5", ".keras", "_published.h5"])
def test_weights_from_a_file(ending, tmp_path):
    """All kinds of files that Keras has, as texts or paths; they can be trained afterwards."""
    model = random(mobilenet.MobileNet, SHAPE, **SMALL)
    path = tmp_path / f"mobilenet{ending}"
    if ending == ".weights.h5":
        model.save_weights(path)
    elif ending == "_published.h5":
        as_published(model, path)
    else:
        model.save(path)
    for given in (path, str(path)):
        again = mobilenet.MobileNet(SHAPE, **SMALL, weights=given)
        assert same(model, again)
    again.compile("sgd", "mean_squared_error")
    again.fit(np.ones((2, *SHAPE)), np.zeros((2, *again.output_shape)), verbose=0)
    assert not same(model, again)


def test_weights_of_another_network_are_refused(tmp_path):
    """With the file's name, whatever kind of file it is."""
    model = random(mobilenet.MobileNet, SHAPE, **SMALL)
    model.save_weights(tmp_path / "narrow.weights.h5")
    model.save(tmp_path / "narrow.keras")
    (tmp_path / "narrow.txt").write_text("weights")
    make = partial(mobilenet.MobileNet, SHAPE, 0.5, include_top=False)
    with pytest.raises(ModelFileError, match=r"narrow\.weights\.h5"):
        make(weights=tmp_path / "narrow.weights.h5")
    with pytest.raises(ModelFileError, match=r"narrow\.keras: set_weights: expected shape"):
        make(weights=tmp_path / "narrow.keras")
    with pytest.raises(ModelFileError, match=r"narrow\.txt: expected an HDF5 file"):
        make(weights=tmp_path / "narrow.txt")


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """Keras' folder of weights, an empty one."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    (tmp_path / "home/models").mkdir(parents=True)
    return tmp_path / "home/models"


def test_imagenet_from_keras_own_folder(keras_home):
    """A file that is there is used; Keras gives no hashes of MobileNet's files."""
    model = random(mobilenet.MobileNet, (128, 128, 3), **SMALL)
    as_published(model, keras_home / "mobilenet_2_5_128_tf_no_top.h5")
    again = mobilenet.MobileNet((128, 128, 3), **SMALL)
    assert same(model, again)
    assert again.name == "mobilenet_0.25_128"
    as_published(model, keras_home / "mobilenet_2_5_224_tf_no_top.h5")
    assert mobilenet.MobileNet(SHAPE, **SMALL).name == "mobilenet_0.25_224"


def test_imagenet_from_a_server(keras_home, tmp_path, monkeypatch):
    """It is downloaded into Keras' folder, and from there the next time."""
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    model = random(mobilenet.MobileNet, SHAPE, **SMALL)
    (tmp_path / "served/mobilenet").mkdir(parents=True)
    as_published(model, tmp_path / "served/mobilenet/mobilenet_2_5_224_tf_no_top.h5")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(mobilenet, "PUBLISHED", f"http://127.0.0.1:{server.server_port}")
        assert same(model, mobilenet.MobileNet(SHAPE, **SMALL))
        server.shutdown()
        thread.join()
    assert (keras_home / "mobilenet_2_5_224_tf_no_top.h5").exists()
    assert same(model, mobilenet.MobileNet(SHAPE, **SMALL))


URLS = {
    "VGG16": ("vgg16/vgg16_weights_tf_dim_ordering_tf_kernels", "6437", "6d6b"),
    "VGG19": ("vgg19/vgg19_weights_tf_dim_ordering_tf_kernels", "cbe5", "253f"),
    "ResNet50": ("resnet/resnet50_weights_tf_dim_ordering_tf_kernels", "2cb9", "4d47"),
    "ResNet152V2": ("resnet/resnet152v2_weights_tf_dim_ordering_tf_kernels", "a49b", "ed17"),
    "Xception": ("xception/xception_weights_tf_dim_ordering_tf_kernels", "0a58", "b004"),
    "InceptionV3": ("inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels", "9a0d", "bcbd"),
    "DenseNet121": ("densenet/densenet121_weights_tf_dim_ordering_tf_kernels", "9d60", "30ee"),
}


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("name", [*URLS, "EfficientNetB0", "MobileNetV2"])
def test_which_files_are_asked_for(name, include_top, keras_home, monkeypatch):
    """The addresses and hashes that stand in Keras, with a top and without."""
    asked = []

    def fetched(*arguments):
        asked.append(arguments)
        raise DataError("no network")

    monkeypatch.setattr(request, "fetched", fetched)
    with pytest.raises(DataError, match="no network"):
        getattr(applications, name)(include_top=include_top)
    [(file, url, known_hash, folder)] = asked
    assert (file, folder) == (url.rpartition("/")[2], keras_home)
    base, ending = "https://storage.googleapis.com", "" if include_top else "_notop"
    if name == "MobileNetV2":
        path = "tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf"
        ending = "" if include_top else "_no_top"
        assert url == f"{base}/{path}_kernels_1.0_224{ending}.h5"
        assert known_hash is None
    elif name == "EfficientNetB0":
        assert url == f"{base}/keras-applications/efficientnetb0{ending}.h5"
        assert known_hash.startswith("902e" if include_top else "50bc")
    else:
        path, *hashes = URLS[name]
        assert url == f"{base}/tensorflow/keras-applications/{path}{ending}.h5"
        assert known_hash.startswith(hashes[0 if include_top else 1])
        assert len(known_hash) == 32


def test_efficientnet_s_published_weights(tmp_path, monkeypatch):
    """A Rescaling more, as in Keras: they have learned from what is divided by the variance."""
    model = random(applications.EfficientNetB0, False, input_shape=SHAPE)
    as_published(model, tmp_path / "efficientnetb0_notop.h5")
    monkeypatch.setattr(request, "fetched", lambda name, *_: tmp_path / name)
    again = applications.EfficientNetB0(False, input_shape=SHAPE)
    assert same(model, again)
    names = [layer.name for layer in again.layers[:5]]
    assert names[1:] == ["rescaling", "normalization", "rescaling_1", "stem_conv_pad"]
    assert again.layers[3].scale == pytest.approx([0.229**-0.5, 0.224**-0.5, 0.225**-0.5])


def test_a_seed_decides_on_weights():
    """That of ``set_random_seed``, as Keras' functions take none."""
    made = []
    for seed in (1, 1, 2):
        set_random_seed(seed)
        made.append(mobilenet.MobileNet(SHAPE, **SMALL, weights=None))
    assert same(made[0], made[1])
    assert not same(made[0], made[2])
