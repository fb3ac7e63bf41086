import tensorflow as tf
import numpy as np

IMG_SIZE = 28
BATCH = 16
AUTO = tf.data.experimental.AUTOTUNE

(x_train, y_train), (x_test, y_test) = tf.keras.datasets.fashion_mnist.load_data()
x_train = x_train[..., tf.newaxis]
x_test = x_test[..., tf.newaxis]
print("Num GPUs Available: ", len(tf.config.list_physical_devices('GPU')))


def normalize_img(image, label):
  """Normalizes images: `uint8` -> `float32`."""
  return tf.cast(image, tf.float32) / 255., label


@tf.function
def augment(image, label):
  image = tf.image.resize(image, [IMG_SIZE, IMG_SIZE])
  image = tf.image.random_flip_left_right(image)
  return image, label


def one_hot(image, label):
  return image, tf.one_hot(label, 10)


train_ds = tf.data.Dataset.from_tensor_slices((x_train, y_train))
train_ds = train_ds.map(normalize_img, num_parallel_calls=AUTO)
train_ds = train_ds.cache()
train_ds = train_ds.shuffle(len(x_train), reshuffle_each_iteration=True)
train_ds = train_ds.map(augment, num_parallel_calls=AUTO).map(one_hot)
train_ds = train_ds.batch(BATCH, drop_remainder=True)
train_ds = train_ds.prefetch(AUTO)
test_ds = (tf.data.Dataset.from_tensor_slices((x_test, y_test))
           .map(normalize_img).map(one_hot).batch(BATCH).cache().prefetch(AUTO))
print(train_ds.cardinality().numpy(), len(test_ds))
for image, label in train_ds.take(1):
  print(image.shape, label.shape, image.dtype)

strategy = tf.distribute.MirroredStrategy()
print('Number of devices: {}'.format(strategy.num_replicas_in_sync))
with strategy.scope():
  model = tf.keras.models.Sequential([
      tf.keras.layers.InputLayer(input_shape=(28, 28, 1)),
      tf.keras.layers.Conv2D(8, 3, activation=tf.nn.leaky_relu),
      tf.keras.layers.MaxPool2D(),
      tf.keras.layers.Flatten(),
      tf.keras.layers.Dense(32, activation=tf.keras.layers.LeakyReLU()),
      tf.keras.layers.Dropout(0.2),
      tf.keras.layers.Dense(10, activation=tf.keras.activations.softmax),
  ])
  lr = tf.keras.optimizers.schedules.PiecewiseConstantDecay([10, 20], [1e-3, 5e-4, 1e-4])
  model.compile(optimizer=tf.keras.optimizers.Adam(lr),
                loss=tf.keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
                metrics=[tf.keras.metrics.CategoricalAccuracy(name='accuracy'),
                         tf.keras.metrics.TopKCategoricalAccuracy(k=3, name='top3')])


class PrintLR(tf.keras.callbacks.Callback):
  def on_epoch_end(self, epoch, logs=None):
    print('\nEpoch {} done, keys: {}'.format(epoch + 1, sorted(logs.keys())))


history = model.fit(train_ds, epochs=2, steps_per_epoch=4, validation_data=test_ds, validation_steps=2,
                    callbacks=[PrintLR()])
loss, acc, top3 = model.evaluate(test_ds)
print("Restored model, accuracy: {:5.2f}%".format(100 * acc))
checkpoint_path = "training_1/cp.weights.h5"
import os
os.makedirs(os.path.dirname(checkpoint_path), exist_ok=True)
model.save_weights(checkpoint_path)
model.load_weights(checkpoint_path)
probs = model(x_test[:3].astype('float32') / 255., training=False).numpy()
print(probs.shape, tf.reduce_sum(probs, axis=1).numpy().round(3))
y_pred = tf.argmax(model.predict(x_test / 255.), axis=1)
print(tf.math.confusion_matrix(y_test, y_pred).numpy().sum())
