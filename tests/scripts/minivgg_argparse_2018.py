# USAGE
# python minivgg_argparse_2018.py --dataset data/train --model vgg.model --plot plot.png

# set the matplotlib backend so figures can be saved in the background
import matplotlib
matplotlib.use("Agg")

# import the necessary packages
from keras.models import Sequential
from keras.layers.normalization import BatchNormalization
from keras.layers.convolutional import Conv2D
from keras.layers.convolutional import MaxPooling2D
from keras.layers.core import Activation
from keras.layers.core import Flatten
from keras.layers.core import Dropout
from keras.layers.core import Dense
from keras import backend as K
from keras.preprocessing.image import ImageDataGenerator
from keras.preprocessing.image import img_to_array
from keras.preprocessing.image import load_img
from keras.callbacks import LearningRateScheduler
from keras.optimizers import Adam
import matplotlib.pyplot as plt
import numpy as np
import argparse
import pickle
import random
import os


class SmallerVGGNet:
	@staticmethod
	def build(width, height, depth, classes):
		# initialize the model along with the input shape to be
		# "channels last" and the channels dimension itself
		model = Sequential()
		inputShape = (height, width, depth)
		chanDim = -1

		# if we are using "channels first", update the input shape
		# and channels dimension
		if K.image_data_format() == "channels_first":
			inputShape = (depth, height, width)
			chanDim = 1

		# CONV => RELU => POOL
		model.add(Conv2D(8, (3, 3), padding="same",
			input_shape=inputShape))
		model.add(Activation("relu"))
		model.add(BatchNormalization(axis=chanDim))
		model.add(MaxPooling2D(pool_size=(3, 3)))
		model.add(Dropout(0.25))

		# (CONV => RELU) * 2 => POOL
		model.add(Conv2D(16, (3, 3), padding="same"))
		model.add(Activation("relu"))
		model.add(BatchNormalization(axis=chanDim))
		model.add(Conv2D(16, (3, 3), padding="same"))
		model.add(Activation("relu"))
		model.add(BatchNormalization(axis=chanDim))
		model.add(MaxPooling2D(pool_size=(2, 2)))
		model.add(Dropout(0.25))

		# first (and only) set of FC => RELU layers
		model.add(Flatten())
		model.add(Dense(32))
		model.add(Activation("relu"))
		model.add(BatchNormalization())
		model.add(Dropout(0.5))

		# softmax classifier
		model.add(Dense(classes))
		model.add(Activation("softmax"))

		# return the constructed network architecture
		return model


# construct the argument parse and parse the arguments
ap = argparse.ArgumentParser()
ap.add_argument("-d", "--dataset", default="data/train",
	help="path to input dataset (i.e., directory of images)")
ap.add_argument("-m", "--model", default="pokedex.model",
	help="path to output model")
ap.add_argument("-l", "--labelbin", default="lb.pickle",
	help="path to output label binarizer")
ap.add_argument("-p", "--plot", type=str, default="plot.png",
	help="path to output accuracy/loss plot")
args = vars(ap.parse_args())

EPOCHS = 2
INIT_LR = 1e-3
BS = 8
IMAGE_DIMS = (32, 32, 3)

# initialize the data and labels
data = []
labels = []

# grab the image paths and randomly shuffle them
print("[INFO] loading images...")
imagePaths = sorted([os.path.join(r, f) for r, _, fs in os.walk(args["dataset"]) for f in fs])
random.seed(42)
random.shuffle(imagePaths)
for imagePath in imagePaths:
	image = load_img(imagePath, target_size=IMAGE_DIMS[:2])
	data.append(img_to_array(image))
	labels.append(imagePath.split(os.path.sep)[-2])

# scale the raw pixel intensities to the range [0, 1]
data = np.array(data, dtype="float") / 255.0
classes = sorted(set(labels))
onehot = np.array([[float(label == c) for c in classes] for label in labels])
print("[INFO] data matrix: {:.2f}MB".format(data.nbytes / (1024 * 1000.0)))
split = int(len(data) * 0.8)
(trainX, testX, trainY, testY) = (data[:split], data[split:], onehot[:split], onehot[split:])

# construct the image generator for data augmentation
aug = ImageDataGenerator(rotation_range=25, width_shift_range=0.1,
	height_shift_range=0.1, shear_range=0.2, zoom_range=0.2,
	horizontal_flip=True, fill_mode="nearest")

def poly_decay(epoch):
	maxEpochs = EPOCHS
	return INIT_LR * (1 - (epoch / float(maxEpochs))) ** 1.0

print("[INFO] compiling model...")
model = SmallerVGGNet.build(width=IMAGE_DIMS[1], height=IMAGE_DIMS[0],
	depth=IMAGE_DIMS[2], classes=len(classes))
opt = Adam(lr=INIT_LR, decay=INIT_LR / EPOCHS)
model.compile(loss="categorical_crossentropy", optimizer=opt,
	metrics=["accuracy"])

print("[INFO] training network...")
H = model.fit_generator(
	aug.flow(trainX, trainY, batch_size=BS),
	validation_data=(testX, testY),
	steps_per_epoch=len(trainX) // BS,
	callbacks=[LearningRateScheduler(poly_decay)],
	epochs=EPOCHS, verbose=1)

print("[INFO] serializing network...")
model.save(args["model"])
f = open(args["labelbin"], "wb")
f.write(pickle.dumps(classes))
f.close()

print("[INFO] evaluating network...")
predictions = model.predict(testX, batch_size=BS)
for i, name in enumerate(classes):
	hits = ((predictions.argmax(axis=1) == i) & (testY.argmax(axis=1) == i)).sum()
	print("{:>10} {:.2f}".format(name, hits / max(1, (testY.argmax(axis=1) == i).sum())))

plt.style.use("ggplot")
plt.figure()
N = np.arange(0, EPOCHS)
plt.plot(N, H.history["loss"], label="train_loss")
plt.plot(N, H.history["val_loss"], label="val_loss")
plt.plot(N, H.history["acc"], label="train_acc")
plt.plot(N, H.history["val_acc"], label="val_acc")
plt.title("Training Loss and Accuracy")
plt.xlabel("Epoch #")
plt.ylabel("Loss/Accuracy")
plt.legend(loc="upper left")
plt.savefig(args["plot"])
print("[INFO] saved", os.path.exists(args["plot"]))
