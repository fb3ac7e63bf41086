import numpy as np
from keras.models import Model
from keras.layers import Input, Activation, Dropout, Flatten, merge, GlobalAveragePooling2D
from keras.layers import Convolution2D, MaxPooling2D, AveragePooling2D
from keras.layers.normalization import BatchNormalization
from keras.regularizers import l2
from keras.utils.np_utils import to_categorical
from keras.utils.visualize_util import plot


def fire_module(x, fire_id, squeeze=4, expand=8):
    s_id = 'fire' + str(fire_id) + '/'
    s_id = s_id.replace('/', '_')
    x = Convolution2D(squeeze, 1, 1, border_mode='valid', init='glorot_uniform', name=s_id + 'squeeze1x1',
                      W_regularizer=l2(1e-4))(x)
    x = Activation('relu', name=s_id + 'relu_squeeze')(x)
    left = Convolution2D(expand, 1, 1, border_mode='valid', name=s_id + 'expand1x1')(x)
    left = Activation('relu', name=s_id + 'relu_expand1')(left)
    right = Convolution2D(expand, 3, 3, border_mode='same', name=s_id + 'expand3x3')(x)
    right = Activation('relu', name=s_id + 'relu_expand3')(right)
    x = merge([left, right], mode='concat', concat_axis=3)
    return x


def get_squeezenet(nb_classes, shape):
    input_img = Input(shape=shape)
    x = Convolution2D(8, 3, 3, subsample=(2, 2), border_mode='same', name='conv1')(input_img)
    x = BatchNormalization(axis=3, mode=0, epsilon=1e-5)(x)
    x = Activation('relu')(x)
    x = MaxPooling2D(pool_size=(2, 2), strides=(2, 2))(x)
    x = fire_module(x, 2)
    shortcut = x
    x = fire_module(x, 3)
    x = merge([x, shortcut], mode='sum')
    x = Dropout(0.2)(x)
    x = Convolution2D(nb_classes, 1, 1, border_mode='valid')(x)
    x = GlobalAveragePooling2D()(x)
    out = Activation('softmax')(x)
    return Model(input=input_img, output=[out])


np.random.seed(7)
X = np.random.rand(40, 32, 32, 3)
Y = to_categorical(np.arange(40) % 4, nb_classes=4)
model = get_squeezenet(4, (32, 32, 3))
model.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=['accuracy'])
plot(model, to_file='squeezenet.png')
hist = model.fit(X, Y, batch_size=8, nb_epoch=2, verbose=1, validation_data=(X, Y))
print(sorted(hist.history))
score = model.evaluate(X, Y, verbose=0)
print('Test score:', score[0])
open('architecture.json', 'w').write(model.to_json())
model.save_weights('weights.h5', overwrite=True)
print(model.layers[-1].output_shape)
