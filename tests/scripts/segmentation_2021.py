import tensorflow as tf
import numpy as np
from tensorflow.keras.layers import Input, Conv2D, MaxPooling2D, Dropout, Conv2DTranspose, concatenate
import matplotlib.pyplot as plt

N_CLASSES = 3
rng = np.random.default_rng(0)
raw = rng.integers(0, 256, (40, 40, 40, 3)).astype('uint8')
raw_masks = (raw[..., :1] // 90).astype('uint8')


def conv_block(inputs=None, n_filters=8, dropout_prob=0, max_pooling=True):
    conv = Conv2D(n_filters, 3, activation='relu', padding='same', kernel_initializer='he_normal')(inputs)
    conv = Conv2D(n_filters, 3, activation='relu', padding='same', kernel_initializer='he_normal')(conv)
    if dropout_prob > 0:
        conv = Dropout(dropout_prob)(conv)
    if max_pooling:
        next_layer = MaxPooling2D(2, strides=2)(conv)
    else:
        next_layer = conv
    skip_connection = conv
    return next_layer, skip_connection


def upsampling_block(expansive_input, contractive_input, n_filters=8):
    up = Conv2DTranspose(n_filters, 3, strides=2, padding='same')(expansive_input)
    merge = concatenate([up, contractive_input], axis=3)
    conv = Conv2D(n_filters, 3, activation='relu', padding='same', kernel_initializer='he_normal')(merge)
    return conv


def unet_model(input_size=(32, 32, 3), n_filters=4, n_classes=N_CLASSES):
    inputs = Input(input_size)
    cblock1 = conv_block(inputs, n_filters)
    cblock2 = conv_block(cblock1[0], 2 * n_filters)
    cblock3 = conv_block(cblock2[0], 4 * n_filters, dropout_prob=0.3, max_pooling=False)
    ublock1 = upsampling_block(cblock3[0], cblock2[1], 2 * n_filters)
    ublock2 = upsampling_block(ublock1, cblock1[1], n_filters)
    conv10 = Conv2D(n_classes, 1, padding='same')(ublock2)
    return tf.keras.Model(inputs=inputs, outputs=conv10)


def preprocess(image, mask):
    input_image = tf.image.resize(image, (32, 32), method='nearest')
    input_mask = tf.image.resize(mask, (32, 32), method='nearest')
    input_image = tf.cast(input_image, tf.float32) / 255.
    return input_image, input_mask


EPOCHS = 2
BUFFER_SIZE = 50
BATCH_SIZE = 8
dataset = tf.data.Dataset.from_tensor_slices((raw, raw_masks))
processed_image_ds = dataset.map(preprocess, num_parallel_calls=tf.data.AUTOTUNE)
train_dataset = processed_image_ds.take(32).cache().shuffle(BUFFER_SIZE).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)
test_dataset = processed_image_ds.skip(32).batch(BATCH_SIZE)
print(processed_image_ds.element_spec)

unet = unet_model()
unet.compile(optimizer='adam',
             loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
             metrics=['accuracy'])
model_history = unet.fit(train_dataset, epochs=EPOCHS, validation_data=test_dataset)


def display(display_list):
    plt.figure(figsize=(15, 15))
    title = ['Input Image', 'True Mask', 'Predicted Mask']
    for i in range(len(display_list)):
        plt.subplot(1, len(display_list), i + 1)
        plt.title(title[i])
        plt.imshow(tf.keras.preprocessing.image.array_to_img(display_list[i]))
        plt.axis('off')
    plt.show()


def create_mask(pred_mask):
    pred_mask = tf.argmax(pred_mask, axis=-1)
    pred_mask = pred_mask[..., tf.newaxis]
    return pred_mask[0]


meter = tf.keras.metrics.MeanIoU(num_classes=N_CLASSES)
for image, mask in test_dataset.take(1):
    pred_mask = unet.predict(image)
    display([image[0], mask[0], create_mask(pred_mask)])
    meter.update_state(mask, tf.argmax(pred_mask, axis=-1)[..., tf.newaxis])
print("MeanIoU:", round(float(meter.result().numpy()), 2) <= 1.0, pred_mask.shape)
plt.plot(model_history.history["accuracy"])
