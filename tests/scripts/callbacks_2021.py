import datetime
import numpy as np
import tensorflow as tf
from tensorflow.keras import Sequential
from tensorflow.keras.callbacks import Callback, EarlyStopping, ModelCheckpoint, TensorBoard
from tensorflow.keras.layers import (BatchNormalization, Conv2D, Dense, Dropout, Flatten,
                                     GlobalAveragePooling2D, Input, MaxPool2D)
from tensorflow.keras.losses import SparseCategoricalCrossentropy
from tensorflow.keras.metrics import SparseCategoricalAccuracy
from tensorflow.keras.optimizers import Adam
from tensorflow.keras.regularizers import l2

gpus = tf.config.experimental.list_physical_devices('GPU')
for gpu in gpus:
    tf.config.experimental.set_memory_growth(gpu, True)
(x_train, y_train), (x_test, y_test) = tf.keras.datasets.cifar10.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
y_train = tf.squeeze(y_train).numpy()
y_test = tf.squeeze(y_test).numpy()

class StopAt(Callback):
    def on_epoch_end(self, epoch, logs={}):
        if logs.get('accuracy') is not None and logs.get('accuracy') > 0.999:
            print("\nReached 99.9% accuracy so cancelling training!")
            self.model.stop_training = True

model = Sequential([
    Input(shape=(32, 32, 3)),
    Conv2D(8, 3, padding='same', activation='relu', kernel_regularizer=l2(1e-4)),
    BatchNormalization(),
    MaxPool2D(2),
    Conv2D(16, 3, padding='same', activation='relu', kernel_regularizer=tf.keras.regularizers.L2(1e-4)),
    GlobalAveragePooling2D(),
    Dense(10),
])
model.compile(optimizer=Adam(learning_rate=1e-3), loss=SparseCategoricalCrossentropy(from_logits=True),
              metrics=[SparseCategoricalAccuracy(name='accuracy')])
log_dir = "logs/fit/" + datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
history = model.fit(x_train, y_train, batch_size=32, epochs=2, validation_data=(x_test, y_test),
                    callbacks=[StopAt(), EarlyStopping(monitor='val_loss', patience=3),
                               ModelCheckpoint('./ckpt/model.{epoch:02d}.h5', save_weights_only=True),
                               TensorBoard(log_dir=log_dir, histogram_freq=1)])
results = model.evaluate(x_test, y_test, batch_size=128)
print("test loss, test acc:", results)
tf.keras.backend.clear_session()
