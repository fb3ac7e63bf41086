from __future__ import print_function
import numpy as np
np.random.seed(1337)  # for reproducibility
from keras.models import Sequential, load_model
from keras.layers.core import Dense, Dropout, Activation, Flatten
from keras.layers.convolutional import Convolution2D, MaxPooling2D, ZeroPadding2D
from keras.layers.normalization import BatchNormalization
from keras.optimizers import SGD
from keras.utils import np_utils
from keras import backend as K
from keras.preprocessing.image import ImageDataGenerator
from keras.callbacks import ModelCheckpoint

K.set_image_dim_ordering('th')

X_train = np.random.randint(0, 255, (64, 3, 32, 32)).astype('uint8')
y_train = np.random.randint(0, 10, (64, 1))
Y_train = np_utils.to_categorical(y_train, 10)
X_train = X_train.astype('float32') / 255

model = Sequential()
model.add(ZeroPadding2D((1, 1), input_shape=(3, 32, 32)))
model.add(Convolution2D(8, 3, 3, border_mode='valid', name='conv1_1'))
model.add(Activation('relu'))
model.add(BatchNormalization(mode=0, axis=1))
model.add(Convolution2D(8, 3, 3, activation='relu'))
model.add(MaxPooling2D(pool_size=(2, 2), strides=(2, 2)))
model.add(Dropout(0.25))
model.add(Flatten())
model.add(Dense(32))
model.add(Activation('relu'))
model.add(Dropout(0.5))
model.add(Dense(10, activation='softmax'))
model.compile(loss='categorical_crossentropy',
              optimizer=SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True),
              metrics=['accuracy'])

datagen = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True,
                             rotation_range=10, width_shift_range=0.1, horizontal_flip=True)
datagen.fit(X_train)
model.fit_generator(datagen.flow(X_train, Y_train, batch_size=16), samples_per_epoch=64,
                    nb_epoch=1, validation_data=(X_train, Y_train),
                    callbacks=[ModelCheckpoint('best.hdf5', save_best_only=True)])
model.load_weights('best.hdf5')
score = model.evaluate(X_train, Y_train, verbose=0)

features = K.function([model.layers[0].input, K.learning_phase()], [model.layers[5].output])
assert features([X_train[:2], 0])[0].shape == (2, 8, 15, 15)
model.save('model.h5')
assert load_model('model.h5').evaluate(X_train, Y_train, verbose=0) == score
print('Test score:', score[0])
