"""Find the hand in a picture: a U-Net gives each pixel a class, on hands that are drawn.

python examples/segmentation.py
"""

import argparse
from pathlib import Path

import numpy as np

from minicnn import Adam
from minicnn.applications import unet
from minicnn.data.synthetic import hand_masks
from minicnn.optimizers.schedules import CosineDecay


def overlap(masks, guesses):
    """Intersection over union of the hand's pixels."""
    return np.sum(masks & guesses) / np.sum(masks | guesses)


def show(path, x, guesses):
    """Pictures, and below them what is taken for the hand."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 * len(x), 3), layout="constrained")
    for i, axes in enumerate(figure.subplots(2, len(x)).T):
        for picture, ax in zip((x[i], x[i] * guesses[i, :, :, None]), axes, strict=True):
            ax.imshow(picture)
            ax.set_axis_off()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    x, masks = hand_masks(options.images, options.seed)
    x_test, masks_test = hand_masks(64, options.seed + 1)
    model = unet((64, 64, 3), classes=2, seed=options.seed)
    steps = -(-options.images // 16)
    rate = CosineDecay(4e-3, decay_steps=steps * options.epochs)
    model.compile(Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, masks, batch_size=16, epochs=options.epochs, validation_data=(x_test, masks_test))

    guesses = model.predict(x_test).argmax(axis=-1).astype(np.uint8)
    print(f"Test overlap (intersection over union) {overlap(masks_test, guesses):.3f}")
    show(options.out / "segmentation.png", x_test[:6], guesses[:6])
    model.save(options.out / "segmentation.keras")


if __name__ == "__main__":
    main()
