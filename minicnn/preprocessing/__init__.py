"""Pictures from folders and arrays, changed at random: Keras' ``preprocessing``."""

from minicnn._keras.public_names import asked

_ELSEWHERE = {
    "image_dataset_from_csv": "minicnn.preprocessing.image_dataset",
    "image_dataset_from_directory": "minicnn.preprocessing.image_dataset",
}

__all__ = ["image", "image_dataset_from_csv", "image_dataset_from_directory"]

__getattr__ = asked("preprocessing", later=("image",), elsewhere=_ELSEWHERE)
