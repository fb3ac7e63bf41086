"""Take a trained network from Keras' file, and teach it to tell cats from other pictures.

    python examples/transfer_learning.py mobilenetv2.keras --data datasets

The file is written once, in Keras, and opened without it:

    keras.applications.MobileNetV2((64, 64, 3), include_top=False).save("mobilenetv2.keras")

First a new head alone is trained on what the network, which is frozen, sees in the pictures. Then
the network's upper layers learn too, slowly; its BatchNorm keeps the statistics that it has.
"""

import argparse
from pathlib import Path

from minicnn import Adam, Dense, Dropout, GlobalAvgPool, Input, Model, RandomFlip, Rescaling
from minicnn import load_model
from minicnn.data import load_hdf5


def with_new_head(base, seed):
    image = Input((64, 64, 3))
    x = Rescaling(1 / 127.5, -1)(RandomFlip("horizontal")(image))
    x = base(x, training=False)
    x = Dropout(0.2)(GlobalAvgPool()(x))
    return Model(image, Dense(1, activation="sigmoid")(x), seed=seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS)
    parser.add_argument("base", type=Path)
    parser.add_argument("--data", type=Path, default=Path("datasets"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--unfrozen", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    files = [options.data / f"{part}_catvnoncat.h5" for part in ("train", "test")]
    for file in (options.base, *files):
        if not file.exists():
            raise SystemExit(
                f"{file} is missing. The pictures come with the course's assignment "
                "(datasets/README.md); how to write the network is said in this script."
            )
    train, test = map(load_hdf5, files)
    base = load_model(options.base, compile=False)
    model = with_new_head(base, options.seed)

    base.trainable = False
    model.compile(Adam(1e-3), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(train, epochs=options.epochs, validation_data=test, verbose=2)

    for layer in base.layers[-options.unfrozen :]:
        layer.trainable = True
    model.compile(Adam(1e-5), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(train, epochs=options.epochs, validation_data=test, verbose=2)

    loss, accuracy = model.evaluate(test)
    print(f"Test accuracy {accuracy:.3f}, loss {loss:.3f}")
    model.save(options.out / "transferred.keras")


if __name__ == "__main__":
    main()
