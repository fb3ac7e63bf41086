import math
import numpy as np
import tensorflow as tf
import tensorflow.keras.layers as tfl
np.random.seed(1)

def load_signs():
    rng = np.random.RandomState(0)
    x = rng.randint(0, 255, (120, 64, 64, 3)).astype('uint8')
    y = rng.randint(0, 6, (1, 120))
    return x[:100], y[:, :100], x[100:], y[:, 100:]

def convert_to_one_hot(Y, C):
    return np.eye(C)[Y.reshape(-1)].T

X_train_orig, Y_train_orig, X_test_orig, Y_test_orig = load_signs()
X_train = X_train_orig / 255.
X_test = X_test_orig / 255.
Y_train = convert_to_one_hot(Y_train_orig, 6).T
Y_test = convert_to_one_hot(Y_test_orig, 6).T

def convolutional_model(input_shape):
    input_img = tf.keras.Input(shape=input_shape)
    Z1 = tfl.Conv2D(filters=8, kernel_size=(4, 4), strides=(1, 1), padding='SAME')(input_img)
    A1 = tfl.ReLU()(Z1)
    P1 = tfl.MaxPool2D(pool_size=(8, 8), strides=(8, 8), padding='SAME')(A1)
    Z2 = tfl.Conv2D(filters=16, kernel_size=(2, 2), strides=(1, 1), padding='SAME')(P1)
    A2 = tfl.ReLU()(Z2)
    P2 = tfl.MaxPool2D(pool_size=(4, 4), strides=(4, 4), padding='SAME')(A2)
    F = tfl.Flatten()(P2)
    outputs = tfl.Dense(units=6, activation='softmax')(F)
    return tf.keras.Model(inputs=input_img, outputs=outputs)

conv_model = convolutional_model((64, 64, 3))
conv_model.compile(optimizer='adam', loss='categorical_crossentropy', metrics=['accuracy'])
conv_model.summary()
train_dataset = tf.data.Dataset.from_tensor_slices((X_train, Y_train)).batch(64)
test_dataset = tf.data.Dataset.from_tensor_slices((X_test, Y_test)).batch(64)
history = conv_model.fit(train_dataset, epochs=2, validation_data=test_dataset)
