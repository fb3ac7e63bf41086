"""A custom training loop, from the same parts that ``fit`` uses.

python examples/custom_loop.py
"""

import argparse

import numpy as np

from minicnn import Adam
from minicnn.applications import small
from minicnn.data import batches
from minicnn.data.synthetic import fingers
from minicnn.losses import SparseCategoricalCrossentropy


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, default=480)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()

    x, y = fingers(options.images, seed=0)
    model = small((64, 64, 3), classes=6, seed=0)
    optimizer, loss = Adam(1e-3), SparseCategoricalCrossentropy()

    for epoch in range(options.epochs):
        total = 0.0
        for batch in batches(len(x), 32, model.rng):
            predictions, caches = model.forward(x[batch], training=True)
            total += loss(y[batch], predictions) * len(batch)

            dy = loss.gradient(y[batch], predictions)
            _, grads = model.backward(dy, caches)
            optimizer.step(model.params, grads)
            model.update_state(caches)  # BatchNorm's moving statistics
        norm = np.sqrt(sum(np.sum(grad**2) for grad in grads.values()))
        print(f"epoch {epoch + 1}: loss {total / len(x):.4f}, last gradient's norm {norm:.3f}")


if __name__ == "__main__":
    main()
