"""Pictures from folders and arrays, changed at random: Keras' ``preprocessing``."""

from minicnn._keras.public_names import asked

__getattr__ = asked("preprocessing", later=("image",))
