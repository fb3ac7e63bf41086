# python lenet_2016.py --save-model 1 --weights output/lenet_weights.hdf5
from keras.models import Sequential
from keras.layers.convolutional import Convolution2D
from keras.layers.convolutional import MaxPooling2D
from keras.layers.core import Activation
from keras.layers.core import Flatten
from keras.layers.core import Dense
from keras.datasets import mnist
from keras.optimizers import SGD
from keras.utils import np_utils
from keras import backend as K
import numpy as np
import argparse

class LeNet:
	@staticmethod
	def build(width, height, depth, classes, weightsPath=None):
		model = Sequential()
		shape = (depth, height, width) if K.image_dim_ordering() == "th" else (height, width, depth)

		# first set of CONV => RELU => POOL
		model.add(Convolution2D(8, 5, 5, border_mode="same",
			input_shape=shape))
		model.add(Activation("relu"))
		model.add(MaxPooling2D(pool_size=(2, 2), strides=(2, 2)))

		# second set of CONV => RELU => POOL
		model.add(Convolution2D(16, 5, 5, border_mode="same"))
		model.add(Activation("relu"))
		model.add(MaxPooling2D(pool_size=(2, 2), strides=(2, 2)))

		# set of FC => RELU layers
		model.add(Flatten())
		model.add(Dense(50))
		model.add(Activation("relu"))

		# softmax classifier
		model.add(Dense(classes))
		model.add(Activation("softmax"))

		# if a weights path is supplied then load the weights
		if weightsPath is not None:
			model.load_weights(weightsPath)
		return model

ap = argparse.ArgumentParser()
ap.add_argument("-s", "--save-model", type=int, default=1,
	help="(optional) whether or not model should be saved to disk")
ap.add_argument("-l", "--load-model", type=int, default=-1,
	help="(optional) whether or not pre-trained model should be loaded")
ap.add_argument("-w", "--weights", type=str, default="lenet_weights.hdf5",
	help="(optional) path to weights file")
args = vars(ap.parse_args())

(trainData, trainLabels), (testData, testLabels) = mnist.load_data()
trainData = trainData[:, :, :, np.newaxis] / 255.0
testData = testData[:, :, :, np.newaxis] / 255.0
trainLabels = np_utils.to_categorical(trainLabels, 10)
testLabels = np_utils.to_categorical(testLabels, 10)

print("[INFO] compiling model...")
opt = SGD(lr=0.01)
model = LeNet.build(width=28, height=28, depth=1, classes=10,
	weightsPath=args["weights"] if args["load_model"] > 0 else None)
model.compile(loss="categorical_crossentropy", optimizer=opt,
	metrics=["accuracy"])
if args["load_model"] < 0:
	print("[INFO] training...")
	model.fit(trainData, trainLabels, batch_size=16, nb_epoch=2,
		verbose=1)
	(loss, accuracy) = model.evaluate(testData, testLabels,
		batch_size=128, verbose=1)
	print("[INFO] accuracy: {:.2f}%".format(accuracy * 100))
if args["save_model"] > 0:
	print("[INFO] dumping weights to file...")
	model.save_weights(args["weights"], overwrite=True)
	model = LeNet.build(28, 28, 1, 10, weightsPath=args["weights"])
	model.compile(loss="categorical_crossentropy", optimizer=opt)

for i in np.random.choice(np.arange(0, len(testLabels)), size=(3,)):
	probs = model.predict(testData[np.newaxis, i])
	prediction = probs.argmax(axis=1)
	image = (testData[i] * 255).astype("uint8")
	print("[INFO] Predicted: {}, Actual: {}".format(prediction[0],
		np.argmax(testLabels[i])))
classes = model.predict_classes(testData, verbose=0)
proba = model.predict_proba(testData[:2])
print(classes.shape, proba.shape)
