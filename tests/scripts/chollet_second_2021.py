import pathlib
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers
from tensorflow.keras.utils import image_dataset_from_directory

new_base_dir = pathlib.Path("data")
train_dataset = image_dataset_from_directory(
    new_base_dir / "train",
    image_size=(36, 36),
    batch_size=8, seed=1337)
validation_dataset = image_dataset_from_directory(
    new_base_dir / "validation",
    image_size=(36, 36),
    batch_size=8, seed=1337)

random_numbers = np.random.normal(size=(20, 16))
dataset = tf.data.Dataset.from_tensor_slices(random_numbers)
for i, element in enumerate(dataset):
    print(element.shape)
    if i >= 1:
        break
batched_dataset = dataset.batch(8)
reshaped_dataset = dataset.map(lambda x: tf.reshape(x, (4, 4)))
for element in reshaped_dataset:
    print(element.shape)
    break

for data_batch, labels_batch in train_dataset:
    print("data batch shape:", data_batch.shape)
    print("labels batch shape:", labels_batch.shape)
    break

data_augmentation = keras.Sequential(
    [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.2),
    ]
)
for images, _ in train_dataset.take(1):
    for i in range(2):
        augmented_images = data_augmentation(images)
        print(augmented_images[0].numpy().astype("uint8").shape)

inputs = keras.Input(shape=(36, 36, 3))
x = data_augmentation(inputs)
x = layers.Rescaling(1./255)(x)
x = layers.Conv2D(filters=8, kernel_size=5, use_bias=False)(x)
for size in [8, 16]:
    residual = x
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.SeparableConv2D(size, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.SeparableConv2D(size, 3, padding="same", use_bias=False)(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    residual = layers.Conv2D(
        size, 1, strides=2, padding="same", use_bias=False)(residual)
    x = layers.add([x, residual])
x = layers.GlobalAveragePooling2D()(x)
x = layers.Dropout(0.5)(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs=inputs, outputs=outputs)

callbacks = [
    keras.callbacks.ModelCheckpoint(
        filepath="convnet_from_scratch.keras",
        save_best_only=True,
        monitor="val_loss")
]
model.compile(loss="binary_crossentropy",
              optimizer="rmsprop",
              metrics=["accuracy"])
history = model.fit(
    train_dataset,
    epochs=2,
    validation_data=validation_dataset,
    callbacks=callbacks)
test_model = keras.models.load_model("convnet_from_scratch.keras")
test_loss, test_acc = test_model.evaluate(validation_dataset)
print(f"Test accuracy: {test_acc:.3f}")

conv_base = keras.applications.vgg16.VGG16(weights=None, include_top=False, input_shape=(36, 36, 3))


def get_features_and_labels(dataset):
    all_features = []
    all_labels = []
    for images, labels in dataset:
        preprocessed_images = keras.applications.vgg16.preprocess_input(images)
        features = conv_base.predict(preprocessed_images)
        all_features.append(features)
        all_labels.append(labels)
    return np.concatenate(all_features), np.concatenate(all_labels)


val_features, val_labels = get_features_and_labels(validation_dataset)
print(val_features.shape, val_labels.shape)
conv_base.trainable = False
inputs = keras.Input(shape=(36, 36, 3))
x = data_augmentation(inputs)
x = keras.applications.vgg16.preprocess_input(x)
x = conv_base(x)
x = layers.Flatten()(x)
x = layers.Dense(8)(x)
outputs = layers.Dense(1, activation="sigmoid")(x)
model = keras.Model(inputs, outputs)
model.summary()

layer_outputs = []
layer_names = []
for layer in test_model.layers:
    if isinstance(layer, (layers.Conv2D, layers.MaxPooling2D)):
        layer_outputs.append(layer.output)
        layer_names.append(layer.name)
activation_model = keras.Model(inputs=test_model.input, outputs=layer_outputs)
activations = activation_model.predict(data_batch[:1])
first_layer_activation = activations[0]
print(first_layer_activation.shape, len(layer_names))
