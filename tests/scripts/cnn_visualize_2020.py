import os
import numpy as np
from keras.models import load_model, Sequential, Model
from keras import layers, models, optimizers
from keras.preprocessing import image
import matplotlib.pyplot as plt

model = models.Sequential()
model.add(layers.Conv2D(8, (3, 3), activation='relu', input_shape=(32, 32, 3)))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(16, (3, 3), activation='relu'))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Flatten())
model.add(layers.Dense(16, activation='relu'))
model.add(layers.Dense(1, activation='sigmoid'))
model.compile(loss='binary_crossentropy', optimizer=optimizers.RMSprop(lr=1e-4), metrics=['acc'])
model.save('cats_and_dogs_small_1.h5')
model = load_model('cats_and_dogs_small_1.h5')
model.summary()
folder = 'data/train/cats'
img_path = os.path.join(folder, sorted(os.listdir(folder))[0])
img = image.load_img(img_path, target_size=(32, 32))
img_tensor = image.img_to_array(img)
img_tensor = np.expand_dims(img_tensor, axis=0)
img_tensor /= 255.
layer_outputs = [layer.output for layer in model.layers[:4]]
activation_model = models.Model(inputs=model.input, outputs=layer_outputs)
activations = activation_model.predict(img_tensor)
first_layer_activation = activations[0]
print(first_layer_activation.shape)
plt.matshow(first_layer_activation[0, :, :, 3], cmap='viridis')
layer_names = [layer.name for layer in model.layers[:4]]
for layer_name, layer_activation in zip(layer_names, activations):
    print(layer_name, layer_activation.shape[-1])
W = model.layers[0].get_weights()[0]
print(W.shape, model.get_layer(index=0).name, len(model.trainable_weights))
