"""Keras scripts, unchanged: ``keras`` and ``tensorflow`` are answered by minicnn.

    import minicnn.as_keras
    from tensorflow.keras.layers import Conv2D     # minicnn's

From that import on, every path of Keras 1, 2 and 3, and the little of TensorFlow that scripts with
Keras touch, lead here, in this process alone; a Keras that is installed is not touched. What is not
here is refused by its name, with the nearest thing that is. ``minicnn run script.py`` does
the same for a script or a notebook.

Raises ``ConfigError`` if Keras or TensorFlow has been imported before.

>>> import minicnn.as_keras
>>> from keras.layers.convolutional import Conv2D
>>> Conv2D is minicnn.Conv2D
True
"""

from minicnn.as_keras.finder import install as _install

_install()
