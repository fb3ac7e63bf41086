"""Well-known data sets, as Keras gives them, downloaded once into Keras' own cache.

Besides Keras' there are ``cats``, those of the deep-learning course.

    from minicnn.datasets import mnist
    (x_train, y_train), (x_test, y_test) = mnist.load_data()

What Keras has downloaded before is used. Else the package pooch downloads (pip install pooch);
each file is checked by its hash.
"""

from minicnn._keras.public_names import asked
from minicnn.datasets import cats as cats
from minicnn.datasets import cifar10 as cifar10
from minicnn.datasets import cifar100 as cifar100
from minicnn.datasets import fashion_mnist as fashion_mnist
from minicnn.datasets import mnist as mnist

__all__ = ["cats", "cifar10", "cifar100", "fashion_mnist", "mnist"]

__getattr__ = asked("datasets")
