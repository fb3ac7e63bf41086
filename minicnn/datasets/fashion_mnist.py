"""Fashion-MNIST: clothes, as small as the digits of MNIST and harder."""

from minicnn._files.downloads import fetched
from minicnn._files.idx import read_idx
from minicnn.datasets.checking import Arrays, check, folder

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

# Keras checks none; these are those that its makers publish.
MD5 = {
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
}


def load_data() -> Arrays:
    """60,000 pictures to train on and 10,000 to test: ``(x_train, y_train), (x_test, y_test)``.

    x: uint8 (N, 28, 28), in grey; y: uint8 (N,): 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress,
    4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot. Raises ``DataError`` where the files,
    of 31 MB, cannot be had. By Zalando, MIT licence.

        (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    """
    paths = {
        name: fetched(name, URL + name, f"md5:{md5}", folder() / "fashion-mnist")
        for name, md5 in MD5.items()
    }
    y_train, x_train, y_test, x_test = map(read_idx, paths.values())
    for x, y, part in ((x_train, y_train, "train"), (x_test, y_test, "t10k")):
        check(str(paths[f"{part}-images-idx3-ubyte.gz"]), x, y, (28, 28))
    return (x_train, y_train), (x_test, y_test)
