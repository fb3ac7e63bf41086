import numpy as np
import keras
from keras.models import Sequential
from keras.layers import Dense, Activation, Flatten, Dropout, Conv2D, MaxPooling2D, LeakyReLU
from keras.callbacks import Callback, CSVLogger, LambdaCallback, TerminateOnNaN
import os

os.environ["CUDA_VISIBLE_DEVICES"] = "0"


class DataGenerator(keras.utils.Sequence):
    'Generates data for Keras'
    def __init__(self, list_IDs, labels, batch_size=32, dim=(32,32,32), n_channels=1,
                 n_classes=10, shuffle=True):
        'Initialization'
        self.dim = dim
        self.batch_size = batch_size
        self.labels = labels
        self.list_IDs = list_IDs
        self.n_channels = n_channels
        self.n_classes = n_classes
        self.shuffle = shuffle
        self.on_epoch_end()

    def __len__(self):
        'Denotes the number of batches per epoch'
        return int(np.floor(len(self.list_IDs) / self.batch_size))

    def __getitem__(self, index):
        'Generate one batch of data'
        indexes = self.indexes[index*self.batch_size:(index+1)*self.batch_size]
        list_IDs_temp = [self.list_IDs[k] for k in indexes]
        X, y = self.__data_generation(list_IDs_temp)
        return X, y

    def on_epoch_end(self):
        'Updates indexes after each epoch'
        self.indexes = np.arange(len(self.list_IDs))
        if self.shuffle == True:
            np.random.shuffle(self.indexes)

    def __data_generation(self, list_IDs_temp):
        'Generates data containing batch_size samples' # X : (n_samples, *dim, n_channels)
        X = np.empty((self.batch_size, *self.dim, self.n_channels))
        y = np.empty((self.batch_size), dtype=int)
        for i, ID in enumerate(list_IDs_temp):
            X[i,] = np.load('npy/' + ID + '.npy')
            y[i] = self.labels[ID]
        return X, keras.utils.to_categorical(y, num_classes=self.n_classes)


class LossHistory(Callback):
    def on_train_begin(self, logs={}):
        self.losses = []
        self.lr = []

    def on_batch_end(self, batch, logs={}):
        self.losses.append(logs.get('loss'))

    def on_epoch_begin(self, epoch, logs=None):
        self.lr.append(float(keras.backend.get_value(self.model.optimizer.lr)))


os.makedirs('npy', exist_ok=True)
partition = {'train': [], 'validation': []}
labels = {}
for i in range(60):
    ID = 'id-%d' % i
    labels[ID] = i % 3
    np.save('npy/' + ID + '.npy', np.random.rand(16, 16, 1) + i % 3)
    partition['train' if i < 48 else 'validation'].append(ID)

# Parameters
params = {'dim': (16, 16),
          'batch_size': 8,
          'n_classes': 3,
          'n_channels': 1,
          'shuffle': True}

# Generators
training_generator = DataGenerator(partition['train'], labels, **params)
validation_generator = DataGenerator(partition['validation'], labels, **params)

# Design model
model = Sequential()
model.add(Conv2D(8, (3, 3), input_shape=(*params['dim'], params['n_channels'])))
model.add(LeakyReLU(alpha=0.1))
model.add(MaxPooling2D(pool_size=(2, 2), padding='same'))
model.add(Dropout(0.1))
model.add(Flatten())
model.add(Dense(params['n_classes'], activation='softmax'))
model.compile(optimizer=keras.optimizers.Adam(lr=1e-3), loss=keras.losses.categorical_crossentropy, metrics=['accuracy', 'mse'])

history = LossHistory()
batch_print = LambdaCallback(on_epoch_begin=lambda epoch, logs: print('starting', epoch))

# Train model on dataset
model.fit_generator(generator=training_generator,
                    validation_data=validation_generator,
                    epochs=2,
                    callbacks=[history, batch_print, CSVLogger('training.log', separator=',', append=False), TerminateOnNaN()],
                    use_multiprocessing=False,
                    workers=6)
print(len(history.losses), history.lr)
print(open('training.log').readline().strip())
print(model.metrics_names, len(model.evaluate_generator(validation_generator)))
