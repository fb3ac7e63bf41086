"""Training tools: a good first rate, callbacks, one of them custom, and a report.

python examples/training_tools.py
"""

import argparse

from minicnn import Adam
from minicnn.applications import small
from minicnn.callbacks import EarlyStopping, ReduceLROnPlateau
from minicnn.data.synthetic import fingers
from minicnn.lr_finder import find_learning_rate
from minicnn.metrics import classification_report


class Gap:
    """Print how much better the network is on its training data than on the validation data."""

    def on_epoch_end(self, epoch, logs):
        gap = logs["accuracy"] - logs["val_accuracy"]
        rate = self.model.optimizer.learning_rate
        print(f"epoch {epoch + 1}: loss {logs['loss']:.4f}, gap {gap:+.3f}, rate {rate:.2g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, default=720)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()

    x, y = fingers(options.images, seed=0)
    x_val, y_val = fingers(options.images // 4, seed=1)
    x_test, y_test = fingers(options.images // 4, seed=2)

    model = small((64, 64, 3), classes=6, seed=0)
    model.compile(Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    found = find_learning_rate(model, x, y)
    print(f"A rate to begin with: {found.suggestion:.2g}.")

    model.optimizer.learning_rate = found.suggestion
    stop = EarlyStopping(patience=6, restore_best_weights=True)
    slower = ReduceLROnPlateau(factor=0.3, patience=2)
    model.fit(
        x, y, epochs=options.epochs, verbose=0, validation_data=(x_val, y_val),
        callbacks=[Gap(), slower, stop],
    )  # fmt: skip
    print(f"The weights of epoch {stop.best_epoch + 1} were the best:")
    print(classification_report(y_test, model.predict(x_test)))


if __name__ == "__main__":
    main()
