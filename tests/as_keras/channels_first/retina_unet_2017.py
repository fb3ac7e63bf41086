import numpy as np
from keras.models import Model
from keras.layers import Input, concatenate, Conv2D, MaxPooling2D, UpSampling2D, core, Dropout
from keras import backend as K

K.set_image_data_format('channels_first')


def get_unet(n_ch, patch_height, patch_width):
    inputs = Input(shape=(n_ch, patch_height, patch_width))
    conv1 = Conv2D(8, (3, 3), activation='relu', padding='same',
                   data_format='channels_first')(inputs)
    conv1 = Dropout(0.2)(conv1)
    pool1 = MaxPooling2D((2, 2))(conv1)
    conv2 = Conv2D(16, (3, 3), activation='relu', padding='same',
                   data_format='channels_first')(pool1)
    up1 = UpSampling2D(size=(2, 2))(conv2)
    up1 = concatenate([conv1, up1], axis=1)
    conv3 = Conv2D(2, (1, 1), activation='relu', padding='same',
                   data_format='channels_first')(up1)
    conv3 = core.Reshape((2, patch_height * patch_width))(conv3)
    conv3 = core.Permute((2, 1))(conv3)
    model = Model(inputs=inputs, outputs=core.Activation('softmax')(conv3))
    model.compile(optimizer='sgd', loss='categorical_crossentropy', metrics=['accuracy'])
    return model


model = get_unet(1, 16, 16)
x = np.random.rand(8, 1, 16, 16)
y = np.eye(2)[np.random.randint(0, 2, (8, 256))]
model.fit(x, y, epochs=1, batch_size=4)
print('Test output:', model.predict(x).shape)
