import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import backend as K
from tensorflow.keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D, UpSampling2D
from tensorflow.keras.models import Model, Sequential

SMOOTH = 1.

def dice_coef(y_true, y_pred):
    y_true_f = K.flatten(y_true)
    y_pred_f = K.flatten(y_pred)
    intersection = K.sum(y_true_f * y_pred_f)
    return (2. * intersection + SMOOTH) / (K.sum(y_true_f) + K.sum(y_pred_f) + SMOOTH)

def dice_coef_loss(y_true, y_pred):
    return 1. - dice_coef(y_true, y_pred)

def bce_dice_loss(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred) + dice_coef_loss(y_true, y_pred)

class HuberLoss(keras.losses.Loss):
    def __init__(self, threshold=1.0, **kwargs):
        self.threshold = threshold
        super().__init__(**kwargs)
    def call(self, y_true, y_pred):
        error = y_true - y_pred
        is_small_error = tf.abs(error) < self.threshold
        squared_loss = tf.square(error) / 2
        linear_loss = self.threshold * tf.abs(error) - self.threshold ** 2 / 2
        return tf.where(is_small_error, squared_loss, linear_loss)
    def get_config(self):
        base_config = super().get_config()
        return {**base_config, "threshold": self.threshold}

tf.random.set_seed(0)
rng = np.random.RandomState(0)
x = rng.rand(32, 16, 16, 1).astype('float32')
masks = (x > 0.5).astype('float32')

inputs = Input((16, 16, 1))
c1 = Conv2D(4, 3, activation='relu', padding='same')(inputs)
p1 = MaxPooling2D()(c1)
c2 = Conv2D(4, 3, activation='relu', padding='same')(p1)
outputs = Conv2D(1, 1, activation='sigmoid')(UpSampling2D()(c2))
unet = Model(inputs, outputs)
for loss in (dice_coef_loss, bce_dice_loss):
    unet.compile(optimizer='adam', loss=loss, metrics=[dice_coef])
    history = unet.fit(x, masks, batch_size=8, epochs=2, validation_split=0.25)
    print(sorted(history.history))

model = Sequential([Flatten(input_shape=(16, 16, 1)), Dense(8, activation='relu'), Dense(1)])
model.compile(loss=HuberLoss(0.5), optimizer='nadam', metrics=['mae'])
model.fit(x, 4 * x.mean(axis=(1, 2)), epochs=2, batch_size=8)
model.save('my_model_with_a_custom_loss.h5')
again = keras.models.load_model('my_model_with_a_custom_loss.h5',
                                custom_objects={'HuberLoss': HuberLoss})
print(np.allclose(again.predict(x), model.predict(x)))
