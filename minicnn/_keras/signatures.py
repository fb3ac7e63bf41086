"""Keras' signatures of what minicnn has too: where the names are, their arguments, the defaults.

``docs/keras_list.py`` compares them with those here, ``tests/peers`` with Keras' own.
"""

import ast

SIGNATURES = {
    "layers": """
        Conv2D(filters, kernel_size, strides=(1, 1), padding='valid', dilation_rate=(1, 1), groups=1, activation=None, use_bias=True, kernel_initializer='glorot_uniform', bias_initializer='zeros', kernel_regularizer=None, bias_regularizer=None)
        DepthwiseConv2D(kernel_size, strides=(1, 1), padding='valid', depth_multiplier=1, dilation_rate=(1, 1), activation=None, use_bias=True, depthwise_initializer='glorot_uniform', bias_initializer='zeros', depthwise_regularizer=None, bias_regularizer=None)
        SeparableConv2D(filters, kernel_size, strides=(1, 1), padding='valid', dilation_rate=(1, 1), depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer='glorot_uniform', pointwise_initializer='glorot_uniform', bias_initializer='zeros', depthwise_regularizer=None, pointwise_regularizer=None, bias_regularizer=None)
        Conv2DTranspose(filters, kernel_size, strides=(1, 1), padding='valid', output_padding=None, dilation_rate=(1, 1), activation=None, use_bias=True, kernel_initializer='glorot_uniform', bias_initializer='zeros', kernel_regularizer=None, bias_regularizer=None)
        MaxPooling2D(pool_size=(2, 2), strides=None, padding='valid')
        AveragePooling2D(pool_size, strides=None, padding='valid')
        GlobalAveragePooling2D(keepdims=False)
        GlobalMaxPooling2D(keepdims=False)
        Dense(units, activation=None, use_bias=True, kernel_initializer='glorot_uniform', bias_initializer='zeros', kernel_regularizer=None, bias_regularizer=None)
        Flatten()
        Activation(activation)
        Softmax(axis=-1)
        ELU(alpha=1.0)
        ReLU(max_value=None, negative_slope=0.0, threshold=0.0)
        LeakyReLU(negative_slope=0.3)
        Dropout(rate, noise_shape=None, seed=None)
        SpatialDropout2D(rate, seed=None)
        GaussianNoise(stddev, seed=None)
        BatchNormalization(axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True, beta_initializer='zeros', gamma_initializer='ones', beta_regularizer=None, gamma_regularizer=None)
        LayerNormalization(axis=-1, epsilon=0.001, center=True, scale=True, beta_initializer='zeros', gamma_initializer='ones', beta_regularizer=None, gamma_regularizer=None)
        Reshape(target_shape)
        Permute(dims)
        ZeroPadding2D(padding=(1, 1))
        Cropping2D(cropping=((0, 0), (0, 0)))
        UpSampling2D(size=(2, 2), interpolation='nearest')
        Rescaling(scale, offset=0.0)
        RandomFlip(mode='horizontal_and_vertical', seed=None)
        RandomRotation(factor, fill_mode='reflect', interpolation='bilinear', seed=None, fill_value=0.0)
        RandomTranslation(height_factor, width_factor, fill_mode='reflect', interpolation='bilinear', seed=None, fill_value=0.0)
        RandomZoom(height_factor, width_factor=None, fill_mode='reflect', interpolation='bilinear', seed=None, fill_value=0.0)
        RandomContrast(factor, value_range=(0, 255), seed=None)
        RandomBrightness(factor, value_range=(0, 255), seed=None)
        Input(shape)
    """,
    "Sequential": """
        compile(optimizer='rmsprop', loss=None, metrics=None)
        fit(x=None, y=None, batch_size=None, epochs=1, verbose='auto', callbacks=None, validation_split=0.0, validation_data=None, shuffle=True, class_weight=None, sample_weight=None, initial_epoch=0, steps_per_epoch=None, validation_steps=None, validation_batch_size=None, validation_freq=1)
        evaluate(x=None, y=None, batch_size=None, verbose='auto', sample_weight=None, return_dict=False)
        predict(x, batch_size=None, verbose='auto')
        summary()
        save(filepath)
        save_weights(filepath)
        load_weights(filepath)
        get_weights()
        set_weights(weights)
        get_config()
    """,
    "optimizers": """
        SGD(learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, amsgrad=False, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        AdamW(learning_rate=0.001, weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-07, amsgrad=False, clipnorm=None, clipvalue=None, global_clipnorm=None)
        RMSprop(learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-07, centered=False, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Nadam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Lion(learning_rate=0.001, beta_1=0.9, beta_2=0.99, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Adagrad(learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-07, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
    """,
    "optimizers.schedules": """
        ExponentialDecay(initial_learning_rate, decay_steps, decay_rate, staircase=False)
        CosineDecay(initial_learning_rate, decay_steps, alpha=0.0, warmup_target=None, warmup_steps=0)
        PiecewiseConstantDecay(boundaries, values)
        PolynomialDecay(initial_learning_rate, decay_steps, end_learning_rate=0.0001, power=1.0, cycle=False)
        InverseTimeDecay(initial_learning_rate, decay_steps, decay_rate, staircase=False)
        CosineDecayRestarts(initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0)
        LearningRateSchedule()
    """,
    "losses": """
        CategoricalCrossentropy(from_logits=False, label_smoothing=0.0)
        SparseCategoricalCrossentropy(from_logits=False, ignore_class=None)
        BinaryCrossentropy(from_logits=False, label_smoothing=0.0)
        MeanSquaredError()
        MeanAbsoluteError()
        Huber(delta=1.0)
        CategoricalHinge()
        Hinge()
        SquaredHinge()
        BinaryFocalCrossentropy(apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0)
        CategoricalFocalCrossentropy(alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0)
    """,
    "metrics": """
        BinaryAccuracy(name='binary_accuracy', threshold=0.5)
        CategoricalAccuracy(name='categorical_accuracy')
        SparseCategoricalAccuracy(name='sparse_categorical_accuracy')
        TopKCategoricalAccuracy(k=5, name='top_k_categorical_accuracy')
        SparseTopKCategoricalAccuracy(k=5, name='sparse_top_k_categorical_accuracy')
        Precision(thresholds=None, top_k=None, class_id=None, name=None)
        Recall(thresholds=None, top_k=None, class_id=None, name=None)
        AUC(num_thresholds=200, curve='ROC', summation_method='interpolation', name=None, from_logits=False)
        F1Score(average=None, threshold=None, name='f1_score')
        MeanSquaredError(name='mean_squared_error')
        MeanAbsoluteError(name='mean_absolute_error')
    """,
    "callbacks": """
        EarlyStopping(monitor='val_loss', min_delta=0, patience=0, verbose=0, mode='auto', baseline=None, restore_best_weights=False, start_from_epoch=0)
        ModelCheckpoint(filepath, monitor='val_loss', verbose=0, save_best_only=False, save_weights_only=False, mode='auto', save_freq='epoch', initial_value_threshold=None)
        ReduceLROnPlateau(monitor='val_loss', factor=0.1, patience=10, verbose=0, mode='auto', min_delta=0.0001, cooldown=0, min_lr=0.0)
        LearningRateScheduler(schedule, verbose=0)
        CSVLogger(filename, separator=',', append=False)
        TerminateOnNaN()
        LambdaCallback(on_epoch_begin=None, on_epoch_end=None, on_train_begin=None, on_train_end=None, on_train_batch_begin=None, on_train_batch_end=None)
        BackupAndRestore(backup_dir, save_freq='epoch', delete_checkpoint=True)
        Callback()
        History()
    """,
    "initializers": """
        RandomNormal(mean=0.0, stddev=0.05, seed=None)
        TruncatedNormal(mean=0.0, stddev=0.05, seed=None)
        RandomUniform(minval=-0.05, maxval=0.05, seed=None)
        VarianceScaling(scale=1.0, mode='fan_in', distribution='truncated_normal', seed=None)
        GlorotUniform(seed=None)
        GlorotNormal(seed=None)
        HeUniform(seed=None)
        HeNormal(seed=None)
        LecunUniform(seed=None)
        LecunNormal(seed=None)
        Orthogonal(gain=1.0, seed=None)
        Zeros()
        Ones()
        Constant(value=0.0)
    """,
    "regularizers": """
        L1(l1=0.01)
        L2(l2=0.01)
        L1L2(l1=0.0, l2=0.0)
    """,
    "activations": """
        elu exponential gelu hard_sigmoid hard_silu hard_swish leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax softplus softsign swish tanh
    """,
    "models": "Sequential load_model save_model",
    "saving": "load_model save_model",
    "utils": """
        set_random_seed(seed)
        to_categorical(x, num_classes=None)
    """,
}  # fmt: skip
"""Module -> the names that minicnn has too, with their arguments in order and with defaults."""


def signatures() -> dict[str, dict[str, dict[str, object] | None]]:
    """Module -> name -> arguments with their defaults (``...`` without one); None for plain names.

    >>> signatures()["layers"]["LeakyReLU"]
    {'negative_slope': 0.3}
    """
    found: dict[str, dict[str, dict[str, object] | None]] = {}
    for module, text in SIGNATURES.items():
        names = found.setdefault(module, {})
        for line in text.strip().splitlines():
            if "(" not in line:
                names |= dict.fromkeys(line.split())
                continue
            function = ast.parse(f"def {line.strip()}: ...").body[0]
            assert isinstance(function, ast.FunctionDef)
            values = [ast.literal_eval(value) for value in function.args.defaults]
            arguments = [argument.arg for argument in function.args.args]
            defaults = [...] * (len(arguments) - len(values)) + values
            names[function.name] = dict(zip(arguments, defaults, strict=True))
    return found
