"""Layers that change images at random in training, so that a network sees more than there are."""

from minicnn.layers.augmentation.affine import (
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from minicnn.layers.augmentation.base import RandomImages
from minicnn.layers.augmentation.colour import RandomBrightness, RandomContrast

__all__ = [
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomImages",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
]
