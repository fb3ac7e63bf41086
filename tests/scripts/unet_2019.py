import numpy as np
import os
from keras.models import *
from keras.layers import *
from keras.optimizers import *
from keras.callbacks import ModelCheckpoint, LearningRateScheduler, CSVLogger, ReduceLROnPlateau
from keras import backend as keras
from keras.utils import plot_model

def unet(pretrained_weights=None, input_size=(32, 32, 1)):
    inputs = Input(input_size)
    conv1 = Conv2D(8, 3, activation='relu', padding='same', kernel_initializer='he_normal')(inputs)
    conv1 = Conv2D(8, 3, activation='relu', padding='same', kernel_initializer='he_normal')(conv1)
    pool1 = MaxPooling2D(pool_size=(2, 2))(conv1)
    conv2 = Conv2D(16, 3, activation='relu', padding='same', kernel_initializer='he_normal')(pool1)
    drop2 = Dropout(0.5)(conv2)
    up7 = Conv2D(8, 2, activation='relu', padding='same', kernel_initializer='he_normal')(
        UpSampling2D(size=(2, 2))(drop2))
    merge7 = concatenate([conv1, up7], axis=3)
    conv7 = Conv2D(8, 3, activation='relu', padding='same', kernel_initializer='he_normal')(merge7)
    conv10 = Conv2D(1, 1, activation='sigmoid')(conv7)
    model = Model(input=inputs, output=conv10)
    model.compile(optimizer=Adam(lr=1e-4), loss='binary_crossentropy', metrics=['accuracy'])
    if pretrained_weights:
        model.load_weights(pretrained_weights)
    return model

rng = np.random.RandomState(0)
x = rng.rand(24, 32, 32, 1)
y = (x > 0.5).astype('float32')
model = unet()
model.summary()
plot_model(model, to_file='unet.png', show_shapes=True)
def step_decay(epoch):
    return 1e-3 * 0.5 ** epoch
model_checkpoint = ModelCheckpoint('unet_membrane.hdf5', monitor='loss', verbose=1,
                                   save_best_only=True)
model.fit(x, y, batch_size=4, nb_epoch=2, verbose=1, validation_split=0.2, shuffle=True,
          callbacks=[model_checkpoint, LearningRateScheduler(step_decay), CSVLogger('log.csv'),
                     ReduceLROnPlateau(monitor='loss', factor=0.1, patience=2, epsilon=1e-4)])
other = unet('unet_membrane.hdf5')
print(os.path.exists('unet.png'), other.predict(x[:2]).shape)
