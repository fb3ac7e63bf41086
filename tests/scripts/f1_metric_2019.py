import numpy as np
from keras import backend as K
from keras.models import Sequential, load_model
from keras.layers import Conv2D, MaxPooling2D, Flatten, Dense, Dropout, SpatialDropout2D, GlobalMaxPooling2D
from keras.preprocessing.image import ImageDataGenerator
from keras.optimizers import Adam, Nadam
from keras.callbacks import Callback, EarlyStopping


def recall_m(y_true, y_pred):
    true_positives = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
    possible_positives = K.sum(K.round(K.clip(y_true, 0, 1)))
    recall = true_positives / (possible_positives + K.epsilon())
    return recall


def precision_m(y_true, y_pred):
    true_positives = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
    predicted_positives = K.sum(K.round(K.clip(y_pred, 0, 1)))
    precision = true_positives / (predicted_positives + K.epsilon())
    return precision


def f1_m(y_true, y_pred):
    precision = precision_m(y_true, y_pred)
    recall = recall_m(y_true, y_pred)
    return 2 * ((precision * recall) / (precision + recall + K.epsilon()))


def dice_coef(y_true, y_pred, smooth=1):
    y_true_f = K.flatten(y_true)
    y_pred_f = K.flatten(y_pred)
    intersection = K.sum(y_true_f * y_pred_f)
    return (2. * intersection + smooth) / (K.sum(y_true_f) + K.sum(y_pred_f) + smooth)


class Metrics(Callback):
    def on_train_begin(self, logs={}):
        self.val_f1s = []

    def on_epoch_end(self, epoch, logs={}):
        val_predict = (np.asarray(self.model.predict(x_val))).round()
        tp = float((val_predict * y_val).sum())
        f1 = 2 * tp / max(1.0, float(val_predict.sum() + y_val.sum()))
        self.val_f1s.append(f1)
        print(" - val_f1: %f" % f1)
        return


datagen = ImageDataGenerator(rescale=1./255, validation_split=0.2)
train_gen = datagen.flow_from_directory('data/train', target_size=(32, 32), color_mode='grayscale',
                                        batch_size=8, class_mode='categorical', subset='training', seed=1)
valid_gen = datagen.flow_from_directory('data/train', target_size=(32, 32), color_mode='grayscale',
                                        batch_size=8, class_mode='categorical', subset='validation',
                                        shuffle=False)
x_val, y_val = next(valid_gen)
print(train_gen.samples, valid_gen.n, train_gen.num_classes, x_val.shape)
counts = np.bincount(train_gen.classes)
class_weight = {i: float(len(train_gen.classes)) / (2 * c) for i, c in enumerate(counts)}
print(class_weight)

model = Sequential([
    Conv2D(8, (3, 3), activation='relu', input_shape=(32, 32, 1)),
    SpatialDropout2D(0.1),
    MaxPooling2D(),
    Conv2D(8, (3, 3), activation='relu'),
    GlobalMaxPooling2D(),
    Dense(8, activation='relu'),
    Dense(2, activation='softmax'),
])
model.compile(optimizer=Nadam(lr=1e-3), loss='categorical_crossentropy',
              metrics=['acc', f1_m, precision_m, recall_m, dice_coef])
metrics = Metrics()
history = model.fit_generator(train_gen,
                              steps_per_epoch=train_gen.samples // train_gen.batch_size,
                              validation_data=valid_gen,
                              validation_steps=len(valid_gen),
                              class_weight=class_weight,
                              epochs=2, callbacks=[metrics, EarlyStopping(monitor='val_f1_m', mode='max', patience=3)])
print(sorted(history.history))
valid_gen.reset()
loss, accuracy, f1_score, precision, recall, dice = model.evaluate_generator(valid_gen, steps=1)
print(0 <= f1_score <= 1, len(metrics.val_f1s))
valid_gen.reset()
pred = model.predict_generator(valid_gen, verbose=1)
predicted_class_indices = np.argmax(pred, axis=1)
labels = dict((v, k) for k, v in train_gen.class_indices.items())
predictions = [labels[k] for k in predicted_class_indices]
print(len(predictions), valid_gen.filenames[0].replace('\\', '/'))
model.save('f1.h5')
model = load_model('f1.h5', custom_objects={'f1_m': f1_m, 'precision_m': precision_m, 'recall_m': recall_m, 'dice_coef': dice_coef})
sample_weight = np.where(y_val[:, 0] > 0, 2.0, 1.0)
model.fit(x_val, y_val, sample_weight=sample_weight, epochs=1, verbose=2)
