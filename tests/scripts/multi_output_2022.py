import numpy as np
import tensorflow as tf
from tensorflow.keras.models import Model
from tensorflow.keras.layers import (Input, Conv2D, BatchNormalization, MaxPooling2D,
                                     GlobalAveragePooling2D, Dense, Dropout, Concatenate)
from tensorflow.keras.optimizers import Adam
from tensorflow.keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from tensorflow.keras.optimizers.schedules import ExponentialDecay

np.random.seed(42)
tf.random.set_seed(42)

IMG = 24
images = np.random.rand(72, IMG, IMG, 3).astype(np.float32)
extra = np.random.rand(72, 2).astype(np.float32)
color = np.random.randint(0, 4, size=(72,))
age = (images.mean(axis=(1, 2, 3)) * 10).astype(np.float32)


def conv_block(x, filters, name):
    x = Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv")(x)
    x = BatchNormalization(name=f"{name}_bn")(x)
    return MaxPooling2D(name=f"{name}_pool")(x)


def create_model():
    image_in = Input(shape=(IMG, IMG, 3), name="image")
    extra_in = Input(shape=(2,), name="extra")
    x = conv_block(image_in, 8, "block1")
    x = conv_block(x, 16, "block2")
    x = GlobalAveragePooling2D()(x)
    x = Concatenate()([x, extra_in])
    x = Dense(16, activation="relu")(x)
    color_out = Dense(4, activation="softmax", name="color")(x)
    age_out = Dense(1, name="age")(Dropout(0.2)(x))
    return Model(inputs=[image_in, extra_in], outputs=[color_out, age_out], name="two_heads")


model = create_model()
schedule = ExponentialDecay(initial_learning_rate=1e-2, decay_steps=10, decay_rate=0.9, staircase=True)
model.compile(
    optimizer=Adam(learning_rate=schedule),
    loss={"color": "sparse_categorical_crossentropy", "age": "mse"},
    loss_weights={"color": 1.0, "age": 0.1},
    metrics={"color": "accuracy", "age": ["mae"]},
)
model.summary()
history = model.fit(
    {"image": images, "extra": extra},
    {"color": color, "age": age},
    epochs=2,
    batch_size=16,
    validation_split=0.2,
    callbacks=[
        EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True, verbose=1),
        ModelCheckpoint("best_model.keras", monitor="val_color_accuracy", mode="max", save_best_only=True),
    ],
)
print(sorted(history.history.keys()))
color_pred, age_pred = model.predict({"image": images[:5], "extra": extra[:5]})
print(color_pred.shape, age_pred.shape)
results = model.evaluate([images, extra], [color, age], verbose=0, return_dict=True)
for key in ("loss", "color_accuracy", "age_mae"):
    print(f"{key}: {results[key]:.4f}")
again = tf.keras.models.load_model("best_model.keras")
print([layer.name for layer in again.layers if "conv" in layer.name])
print(model.input_shape, model.output_shape, len(model.outputs))
