import numpy as np
import matplotlib.pyplot as plt
import tensorflow as tf
from PIL import Image
import os
from keras.utils import to_categorical
from keras.models import Sequential, load_model
from keras.layers import Conv2D, MaxPool2D, Dense, Flatten, Dropout

data = []
labels = []
classes = 2
cur_path = os.getcwd()

#Retrieving the images and their labels
for i, kind in enumerate(['cats', 'dogs']):
    path = os.path.join(cur_path, 'data', 'train', kind)
    images = os.listdir(path)
    for a in images:
        try:
            image = Image.open(path + '/' + a)
            image = image.resize((30, 30))
            image = np.array(image)
            data.append(image)
            labels.append(i)
        except:
            print("Error loading image")

#Converting lists into numpy arrays
data = np.array(data)
labels = np.array(labels)
print(data.shape, labels.shape)
np.random.seed(42)
order = np.random.permutation(len(data))
cut = int(0.8 * len(data))
X_train, X_test, y_train, y_test = data[order[:cut]], data[order[cut:]], labels[order[:cut]], labels[order[cut:]]
y_train = to_categorical(y_train, 2)
y_test = to_categorical(y_test, 2)

#Building the model
model = Sequential()
model.add(Conv2D(filters=8, kernel_size=(5,5), activation='relu', input_shape=X_train.shape[1:]))
model.add(Conv2D(filters=8, kernel_size=(5,5), activation='relu'))
model.add(MaxPool2D(pool_size=(2, 2)))
model.add(Dropout(rate=0.25))
model.add(Flatten())
model.add(Dense(16, activation='relu'))
model.add(Dropout(rate=0.5))
model.add(Dense(2, activation='softmax'))
model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
history = model.fit(X_train, y_train, batch_size=32, epochs=2, validation_data=(X_test, y_test))
model.save("my_model.h5")

plt.figure(0)
plt.plot(history.history['accuracy'], label='training accuracy')
plt.plot(history.history['val_accuracy'], label='val accuracy')
plt.legend()
plt.show()

# retrieve weights from the first hidden layer, and normalize filter values to 0-1 so we can visualize them
filters, biases = model.layers[0].get_weights()
f_min, f_max = filters.min(), filters.max()
filters = (filters - f_min) / (f_max - f_min)
for i in range(3):
    f = filters[:, :, :, i]
    for j in range(3):
        ax = plt.subplot(3, 3, i * 3 + j + 1)
        ax.set_xticks([])
        plt.imshow(f[:, :, j], cmap='gray')
plt.show()
for i in range(len(model.layers)):
    layer = model.layers[i]
    if 'conv' not in layer.name:
        continue
    print(i, layer.name, layer.output.shape)
feature_model = tf.keras.models.Model(inputs=model.inputs, outputs=model.layers[1].output)
feature_maps = feature_model.predict(X_test[:1])
print(feature_maps.shape)
pred = np.argmax(load_model("my_model.h5").predict(X_test), axis=-1)
print(pred.shape, (pred == y_test.argmax(1)).mean() >= 0)
