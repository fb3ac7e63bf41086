import numpy as np
from keras import optimizers
from keras.applications.vgg16 import VGG16, preprocess_input
from keras.layers import Dense, GlobalAveragePooling2D
from keras.models import Model
from keras.preprocessing import image
from keras.preprocessing.image import ImageDataGenerator

base_model = VGG16(weights=None, include_top=False, input_shape=(48, 48, 3))
for layer in base_model.layers[:15]:
    layer.trainable = False
x = base_model.output
x = GlobalAveragePooling2D()(x)
x = Dense(16, activation="relu")(x)
predictions = Dense(2, activation="softmax")(x)
model = Model(input=base_model.input, output=predictions)
model.compile(
    loss="categorical_crossentropy",
    optimizer=optimizers.SGD(lr=1e-4, momentum=0.9),
    metrics=["accuracy"],
)
datagen = ImageDataGenerator(preprocessing_function=preprocess_input, rotation_range=20)
flow = datagen.flow_from_directory(
    "data/train", target_size=(48, 48), batch_size=8, class_mode="categorical"
)
model.fit_generator(flow, steps_per_epoch=2, epochs=1, verbose=2)
img = image.load_img(flow.filepaths[0], target_size=(48, 48))
x = image.img_to_array(img)
x = np.expand_dims(x, axis=0)
x = preprocess_input(x)
print("Predicted:", model.predict(x).shape)
for i, layer in enumerate(base_model.layers):
    print(i, layer.name, layer.trainable)
