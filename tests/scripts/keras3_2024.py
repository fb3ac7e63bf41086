import os

os.environ["KERAS_BACKEND"] = "jax"  # Or "tensorflow", "torch".

import keras
import numpy as np
from keras import layers, ops
from keras.applications import EfficientNetB0

keras.utils.set_random_seed(812)
print(keras.__version__.split(".")[0], keras.backend.backend() in ("jax", "tensorflow", "torch", "numpy", "minicnn"))

image_size = (32, 32)
train_ds, val_ds = keras.utils.image_dataset_from_directory(
    "data/train",
    validation_split=0.2,
    subset="both",
    seed=1337,
    image_size=image_size,
    batch_size=8,
    label_mode="categorical",
)

data_augmentation_layers = [
    layers.RandomFlip("horizontal"),
    layers.RandomRotation(0.1),
    layers.RandomTranslation(height_factor=0.1, width_factor=0.1),
    layers.RandomContrast(factor=0.1),
]


def data_augmentation(images):
    for layer in data_augmentation_layers:
        images = layer(images)
    return images


def make_model(input_shape, num_classes):
    inputs = keras.Input(shape=input_shape)
    x = data_augmentation(inputs)
    x = layers.Rescaling(1.0 / 255)(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    previous_block_activation = x  # Set aside residual
    for size in [16, 24]:
        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(size, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        residual = layers.Conv2D(size, 1, strides=2, padding="same")(previous_block_activation)
        x = layers.add([x, residual])  # Add back residual
        previous_block_activation = x
    x = layers.GlobalAveragePooling2D()(x)
    units = num_classes
    x = layers.Dropout(0.25)(x)
    # We specify activation=None so as to return logits
    outputs = layers.Dense(units, activation=None)(x)
    return keras.Model(inputs, outputs)


model = make_model(input_shape=image_size + (3,), num_classes=2)
model.compile(
    optimizer=keras.optimizers.AdamW(learning_rate=3e-4, weight_decay=1e-4),
    loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.CategoricalAccuracy(name="acc"), keras.metrics.AUC(from_logits=True, name="auc")],
)
model.fit(
    train_ds,
    epochs=2,
    callbacks=[
        keras.callbacks.ModelCheckpoint("save_at_{epoch}.keras"),
        keras.callbacks.BackupAndRestore("backup"),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=2),
    ],
    validation_data=val_ds,
)
again = keras.saving.load_model("save_at_2.keras")
path = os.path.join("data/train/cats", sorted(os.listdir("data/train/cats"))[0])
img = keras.utils.load_img(path, target_size=image_size)
img_array = keras.utils.img_to_array(img)
img_array = keras.ops.expand_dims(img_array, 0)  # Create batch axis
predictions = again.predict(img_array)
score = float(ops.max(ops.softmax(predictions[0])))
print(f"This image is {100 * score > 0} percent cat", predictions.shape)

base = EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
base.trainable = False
inputs = keras.Input((32, 32, 3))
x = base(inputs, training=False)
x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
x = layers.BatchNormalization()(x)
outputs = layers.Dense(2, activation="softmax", name="pred")(x)
model = keras.Model(inputs, outputs, name="EfficientNet")
for layer in base.layers[-20:]:
    if not isinstance(layer, layers.BatchNormalization):
        layer.trainable = True
model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="categorical_crossentropy", metrics=["accuracy"])
print(len(model.trainable_weights) > 0, [layer.name for layer in model.layers])
