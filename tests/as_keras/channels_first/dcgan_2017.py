import numpy as np
from keras.models import Model, Sequential
from keras.layers import Conv2D, Dense, Dropout, Flatten, Input, LeakyReLU, Reshape, UpSampling2D
from keras.optimizers import Adam
from keras import backend as K

K.set_image_dim_ordering('th')

adam = Adam(lr=0.0002, beta_1=0.5)

generator = Sequential()
generator.add(Dense(16 * 7 * 7, input_dim=100, kernel_initializer='random_normal'))
generator.add(LeakyReLU(0.2))
generator.add(Reshape((16, 7, 7)))
generator.add(UpSampling2D(size=(2, 2)))
generator.add(Conv2D(8, kernel_size=(5, 5), padding='same'))
generator.add(LeakyReLU(0.2))
generator.add(UpSampling2D(size=(2, 2)))
generator.add(Conv2D(1, kernel_size=(5, 5), padding='same', activation='tanh'))
generator.compile(loss='binary_crossentropy', optimizer=adam)

discriminator = Sequential()
discriminator.add(Conv2D(8, kernel_size=(5, 5), strides=(2, 2), padding='same',
                         input_shape=(1, 28, 28)))
discriminator.add(LeakyReLU(0.2))
discriminator.add(Dropout(0.3))
discriminator.add(Flatten())
discriminator.add(Dense(1, activation='sigmoid'))
discriminator.compile(loss='binary_crossentropy', optimizer=adam)

discriminator.trainable = False
ganInput = Input(shape=(100,))
gan = Model(inputs=ganInput, outputs=discriminator(generator(ganInput)))
gan.compile(loss='binary_crossentropy', optimizer=adam)

noise = np.random.normal(0, 1, size=[4, 100])
images = generator.predict(noise)
assert images.shape == (4, 1, 28, 28)
X = np.concatenate([np.random.rand(4, 1, 28, 28), images])
yDis = np.zeros(8)
yDis[:4] = 0.9
discriminator.trainable = True
dloss = discriminator.train_on_batch(X, yDis)
discriminator.trainable = False
gloss = gan.train_on_batch(noise, np.ones(4))
print('Test losses:', dloss, gloss)
