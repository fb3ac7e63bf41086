"""Keras' signatures of the names that are here.

``docs/keras_list.py`` compares them with those of the classes and functions, and ``tests/peers`` with
those of Keras itself.
"""

__all__ = ["SIGNATURES", "signatures"]

SIGNATURES = {
    "layers": """
        Conv2D(filters, kernel_size, strides=(1, 1), padding='valid', dilation_rate=(1, 1), groups=1, activation=None, use_bias=True, kernel_initializer='glorot_uniform', bias_initializer='zeros', kernel_regularizer=None, bias_regularizer=None, kernel_constraint=None, bias_constraint=None)
        DepthwiseConv2D(kernel_size, strides=(1, 1), padding='valid', depth_multiplier=1, dilation_rate=(1, 1), activation=None, use_bias=True, depthwise_initializer='glorot_uniform', bias_initializer='zeros', depthwise_regularizer=None, bias_regularizer=None, depthwise_constraint=None, bias_constraint=None)
        SeparableConv2D(filters, kernel_size, strides=(1, 1), padding='valid', dilation_rate=(1, 1), depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer='glorot_uniform', pointwise_initializer='glorot_uniform', bias_initializer='zeros', depthwise_regularizer=None, pointwise_regularizer=None, bias_regularizer=None, depthwise_constraint=None, pointwise_constraint=None, bias_constraint=None)
        Conv2DTranspose(filters, kernel_size, strides=(1, 1), padding='valid', output_padding=None, dilation_rate=(1, 1), activation=None, use_bias=True, kernel_initializer='glorot_uniform', bias_initializer='zeros', kernel_regularizer=None, bias_regularizer=None, kernel_constraint=None, bias_constraint=None)
        MaxPooling2D(pool_size=(2, 2), strides=None, padding='valid')
        AveragePooling2D(pool_size, strides=None, padding='valid')
        GlobalAveragePooling2D(keepdims=False)
        GlobalMaxPooling2D(keepdims=False)
        Dense(units, activation=None, use_bias=True, kernel_initializer='glorot_uniform', bias_initializer='zeros', kernel_regularizer=None, bias_regularizer=None, kernel_constraint=None, bias_constraint=None)
        Flatten()
        Activation(activation)
        Softmax(axis=-1)
        ELU(alpha=1.0)
        ReLU(max_value=None, negative_slope=0.0, threshold=0.0)
        LeakyReLU(negative_slope=0.3)
        PReLU(alpha_initializer='Zeros', alpha_regularizer=None, alpha_constraint=None, shared_axes=None)
        Dropout(rate, noise_shape=None, seed=None)
        SpatialDropout2D(rate, seed=None)
        AlphaDropout(rate, noise_shape=None, seed=None)
        GaussianNoise(stddev, seed=None)
        BatchNormalization(axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True, beta_initializer='zeros', gamma_initializer='ones', beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None)
        LayerNormalization(axis=-1, epsilon=0.001, center=True, scale=True, beta_initializer='zeros', gamma_initializer='ones', beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None)
        GroupNormalization(groups=32, axis=-1, epsilon=0.001, center=True, scale=True, beta_initializer='zeros', gamma_initializer='ones', beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None)
        UnitNormalization(axis=-1)
        Reshape(target_shape)
        Permute(dims)
        ZeroPadding2D(padding=(1, 1))
        Cropping2D(cropping=((0, 0), (0, 0)))
        UpSampling2D(size=(2, 2), interpolation='nearest')
        Rescaling(scale, offset=0.0)
        Resizing(height, width, interpolation='bilinear', crop_to_aspect_ratio=False, pad_to_aspect_ratio=False, fill_mode='constant', fill_value=0.0, antialias=False)
        CenterCrop(height, width)
        RandomCrop(height, width, seed=None)
        RandomFlip(mode='horizontal_and_vertical', seed=None)
        RandomRotation(factor, fill_mode='reflect', interpolation='bilinear', seed=None, fill_value=0.0)
        RandomTranslation(height_factor, width_factor, fill_mode='reflect', interpolation='bilinear', seed=None, fill_value=0.0)
        RandomZoom(height_factor, width_factor=None, fill_mode='reflect', interpolation='bilinear', seed=None, fill_value=0.0)
        RandomContrast(factor, value_range=(0, 255), seed=None)
        RandomBrightness(factor, value_range=(0, 255), seed=None)
        Input(shape=None, batch_size=None, batch_shape=None, name=None, tensor=None)
        InputLayer()
        Add()
        Subtract()
        Multiply()
        Average()
        Maximum()
        Minimum()
        Concatenate(axis=-1)
        Dot(axes, normalize=False)
        add(inputs)
        subtract(inputs)
        multiply(inputs)
        average(inputs)
        maximum(inputs)
        minimum(inputs)
        concatenate(inputs, axis=-1)
        dot(inputs, axes=-1)
        Normalization(axis=-1, mean=None, variance=None, invert=False)
        Identity()
        Lambda(function, output_shape=None, mask=None, arguments=None)
    """,
    "Sequential": """
        compile(optimizer='rmsprop', loss=None, loss_weights=None, metrics=None)
        fit(x=None, y=None, batch_size=None, epochs=1, verbose='auto', callbacks=None, validation_split=0.0, validation_data=None, shuffle=True, class_weight=None, sample_weight=None, initial_epoch=0, steps_per_epoch=None, validation_steps=None, validation_batch_size=None, validation_freq=1)
        evaluate(x=None, y=None, batch_size=None, verbose='auto', sample_weight=None, return_dict=False)
        predict(x, batch_size=None, verbose='auto')
        summary(line_length=None, positions=None, print_fn=None, expand_nested=False, show_trainable=False, layer_range=None)
        to_json()
        save(filepath)
        save_weights(filepath)
        load_weights(filepath)
        get_weights()
        set_weights(weights)
        get_config()
        train_on_batch(x, y=None, sample_weight=None, class_weight=None, return_dict=False)
        test_on_batch(x, y=None, sample_weight=None, return_dict=False)
        predict_on_batch(x)
    """,
    "optimizers": """
        SGD(learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, amsgrad=False, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        AdamW(learning_rate=0.001, weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-07, amsgrad=False, clipnorm=None, clipvalue=None, global_clipnorm=None)
        RMSprop(learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-07, centered=False, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Nadam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Lion(learning_rate=0.001, beta_1=0.9, beta_2=0.99, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Adagrad(learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-07, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Adadelta(learning_rate=0.001, rho=0.95, epsilon=1e-07, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Adamax(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
        Ftrl(learning_rate=0.001, learning_rate_power=-0.5, initial_accumulator_value=0.1, l1_regularization_strength=0.0, l2_regularization_strength=0.0, l2_shrinkage_regularization_strength=0.0, beta=0.0, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None)
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
        LogCosh()
        MeanAbsolutePercentageError()
        MeanSquaredLogarithmicError()
        CosineSimilarity()
        KLDivergence()
        Poisson()
        Dice(axis=None)
        Tversky(alpha=0.5, beta=0.5, axis=None)
        CategoricalHinge()
        Hinge()
        SquaredHinge()
        BinaryFocalCrossentropy(apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0)
        CategoricalFocalCrossentropy(alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0)
        binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0)
        binary_focal_crossentropy(y_true, y_pred, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0)
        categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0)
        categorical_focal_crossentropy(y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0)
        sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None)
        categorical_hinge(y_true, y_pred)
        cosine_similarity(y_true, y_pred)
        dice(y_true, y_pred, axis=None)
        tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None)
        hinge(y_true, y_pred)
        huber(y_true, y_pred, delta=1.0)
        kl_divergence(y_true, y_pred)
        log_cosh(y_true, y_pred)
        mean_absolute_error(y_true, y_pred)
        mean_absolute_percentage_error(y_true, y_pred)
        mean_squared_error(y_true, y_pred)
        mean_squared_logarithmic_error(y_true, y_pred)
        poisson(y_true, y_pred)
        squared_hinge(y_true, y_pred)
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
        FBetaScore(average=None, beta=1.0, threshold=None, name='fbeta_score')
        MeanSquaredError(name='mean_squared_error')
        MeanAbsoluteError(name='mean_absolute_error')
        RootMeanSquaredError(name='root_mean_squared_error')
        MeanAbsolutePercentageError(name='mean_absolute_percentage_error')
        MeanSquaredLogarithmicError(name='mean_squared_logarithmic_error')
        LogCoshError(name='logcosh')
        CosineSimilarity(name='cosine_similarity')
        KLDivergence(name='kl_divergence')
        Poisson(name='poisson')
        Hinge(name='hinge')
        SquaredHinge(name='squared_hinge')
        CategoricalHinge(name='categorical_hinge')
        TruePositives(thresholds=None, name=None)
        FalsePositives(thresholds=None, name=None)
        TrueNegatives(thresholds=None, name=None)
        FalseNegatives(thresholds=None, name=None)
        SensitivityAtSpecificity(specificity, num_thresholds=200, class_id=None, name=None)
        SpecificityAtSensitivity(sensitivity, num_thresholds=200, class_id=None, name=None)
        PrecisionAtRecall(recall, num_thresholds=200, class_id=None, name=None)
        RecallAtPrecision(precision, num_thresholds=200, class_id=None, name=None)
        MeanIoU(num_classes, name=None, ignore_class=None, sparse_y_true=True, sparse_y_pred=True, axis=-1)
        IoU(num_classes, target_class_ids, name=None, ignore_class=None, sparse_y_true=True, sparse_y_pred=True, axis=-1)
        BinaryIoU(target_class_ids=(0, 1), threshold=0.5, name=None)
        OneHotIoU(num_classes, target_class_ids, name=None, ignore_class=None, sparse_y_pred=False, axis=-1)
        OneHotMeanIoU(num_classes, name=None, ignore_class=None, sparse_y_pred=False, axis=-1)
        Mean(name='mean')
        Sum(name='sum')
        BinaryCrossentropy(name='binary_crossentropy', from_logits=False, label_smoothing=0.0)
        CategoricalCrossentropy(name='categorical_crossentropy', from_logits=False, label_smoothing=0.0)
        SparseCategoricalCrossentropy(name='sparse_categorical_crossentropy', from_logits=False, ignore_class=None)
        binary_accuracy(y_true, y_pred, threshold=0.5)
        categorical_accuracy(y_true, y_pred)
        sparse_categorical_accuracy(y_true, y_pred)
        top_k_categorical_accuracy(y_true, y_pred, k=5)
        sparse_top_k_categorical_accuracy(y_true, y_pred, k=5)
        binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0)
        categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0)
        sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None)
        categorical_hinge(y_true, y_pred)
        hinge(y_true, y_pred)
        kl_divergence(y_true, y_pred)
        mean_absolute_error(y_true, y_pred)
        mean_absolute_percentage_error(y_true, y_pred)
        mean_squared_error(y_true, y_pred)
        mean_squared_logarithmic_error(y_true, y_pred)
        poisson(y_true, y_pred)
        squared_hinge(y_true, y_pred)
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
        TensorBoard(log_dir='logs', histogram_freq=0, write_graph=True, write_images=False, write_steps_per_second=False, update_freq='epoch', profile_batch=0, embeddings_freq=0, embeddings_metadata=None)
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
        Identity(gain=1.0)
        Zeros()
        Ones()
        Constant(value=0.0)
    """,
    "constraints": """
        MaxNorm(max_value=2, axis=0)
        NonNeg()
        UnitNorm(axis=0)
        MinMaxNorm(min_value=0.0, max_value=1.0, rate=1.0, axis=0)
    """,
    "regularizers": """
        L1(l1=0.01)
        L2(l2=0.01)
        L1L2(l1=0.0, l2=0.0)
    """,
    "activations": """
        elu exponential gelu hard_sigmoid hard_silu hard_swish leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax softplus softsign swish tanh
    """,
    "models": """
        Model(inputs, outputs)
        Sequential
        clone_model(model)
        model_from_json(json_string, custom_objects=None)
        load_model
        save_model
    """,
    "saving": """
        load_model
        save_model
        CustomObjectScope(custom_objects)
        custom_object_scope(custom_objects)
        get_custom_objects()
        get_registered_name(obj)
        get_registered_object(name, custom_objects=None)
        register_keras_serializable(package='Custom', name=None)
    """,
    "utils": """
        CustomObjectScope(custom_objects)
        custom_object_scope(custom_objects)
        get_custom_objects()
        get_registered_name(obj)
        get_registered_object(name, custom_objects=None)
        register_keras_serializable(package='Custom', name=None)
        model_to_dot(model, show_shapes=False, show_dtype=False, show_layer_names=True, rankdir='TB', expand_nested=False, dpi=200, subgraph=False, show_layer_activations=False, show_trainable=False)
        plot_model(model, to_file='model.png', show_shapes=False, show_dtype=False, show_layer_names=False, rankdir='TB', expand_nested=False, dpi=200, show_layer_activations=False, show_trainable=False)
        set_random_seed(seed)
        to_categorical(x, num_classes=None)
        normalize(x, axis=-1, order=2)
        get_file(fname=None, origin=None, untar=False, md5_hash=None, file_hash=None, cache_subdir='datasets', hash_algorithm='auto', extract=False, archive_format='auto', cache_dir=None, force_download=False)
        array_to_img(x, data_format=None, scale=True, dtype=None)
        img_to_array(img, data_format=None, dtype=None)
        load_img(path, color_mode='rgb', target_size=None, interpolation='nearest', keep_aspect_ratio=False)
        save_img(path, x, data_format=None, file_format=None, scale=True)
        image_dataset_from_directory(directory, labels='inferred', label_mode='int', class_names=None, color_mode='rgb', batch_size=32, image_size=(256, 256), shuffle=True, seed=None, validation_split=None, subset=None, interpolation='bilinear', follow_links=False, crop_to_aspect_ratio=False, pad_to_aspect_ratio=False, data_format=None, format='tf', verbose=True)
    """,
    "preprocessing": """
        image_dataset_from_directory(directory, labels='inferred', label_mode='int', class_names=None, color_mode='rgb', batch_size=32, image_size=(256, 256), shuffle=True, seed=None, validation_split=None, subset=None, interpolation='bilinear', follow_links=False, crop_to_aspect_ratio=False, pad_to_aspect_ratio=False, data_format=None, format='tf', verbose=True)
    """,
    "preprocessing.image": """
        array_to_img(x, data_format=None, scale=True, dtype=None)
        img_to_array(img, data_format=None, dtype=None)
        load_img(path, color_mode='rgb', target_size=None, interpolation='nearest', keep_aspect_ratio=False)
        save_img(path, x, data_format=None, file_format=None, scale=True)
        smart_resize(x, size, interpolation='bilinear', data_format='channels_last')
    """,
    "datasets.mnist": "load_data(path='mnist.npz')",
    "datasets.fashion_mnist": "load_data()",
    "datasets.cifar10": "load_data()",
    "datasets.cifar100": "load_data(label_mode='fine')",
    "config": """
        backend disable_traceback_filtering enable_traceback_filtering epsilon floatx
        image_data_format is_traceback_filtering_enabled set_epsilon set_floatx
        set_image_data_format
    """,
    "random": """
        SeedGenerator(seed=None, name=None)
        categorical(logits, num_samples, dtype='int32', seed=None)
        dropout(inputs, rate, noise_shape=None, seed=None)
        normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None)
        randint(shape, minval, maxval, dtype='int32', seed=None)
        shuffle(x, axis=0, seed=None)
        truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None)
        uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None)
    """,
    "ops": """
        abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh ceil clip conj
        cos cosh divide divide_no_nan equal exp expm1 floor floor_divide greater
        greater_equal imag isfinite isinf isnan less less_equal log log1p log2 log10
        logical_and logical_not logical_or logical_xor maximum minimum mod multiply negative
        not_equal power real reciprocal round rsqrt sign sin sinh sqrt square subtract tan
        true_divide trunc where binary_crossentropy categorical_crossentropy elu gelu
        hard_sigmoid hard_silu hard_swish in_top_k leaky_relu log_softmax normalize one_hot
        relu relu6 selu sigmoid silu softmax softplus softsign
        sparse_categorical_crossentropy swish tanh top_k all amax amin any argmax argmin
        average cross cumprod cumsum dot einsum logsumexp matmul max mean median min norm
        outer prod std sum tensordot var arange argsort broadcast_to cast concatenate
        convert_to_numpy convert_to_tensor diag expand_dims eye flip full identity is_tensor
        linspace moveaxis ndim ones ones_like pad ravel repeat reshape roll shape size slice
        sort split squeeze stack stop_gradient swapaxes take take_along_axis tile trace
        transpose tril triu unstack zeros zeros_like
    """,
    "ops.image": "resize rgb_to_grayscale",
    "applications": """
        VGG16(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='vgg16')
        VGG19(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='vgg19')
        ResNet50(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='resnet50')
        ResNet101(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='resnet101')
        ResNet152(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='resnet152')
        ResNet50V2(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='resnet50v2')
        ResNet101V2(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='resnet101v2')
        ResNet152V2(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='resnet152v2')
        Xception(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='xception')
        InceptionV3(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='inception_v3')
        DenseNet121(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='densenet121')
        DenseNet169(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='densenet169')
        DenseNet201(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='densenet201')
        EfficientNetB0(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='efficientnetb0')
        EfficientNetB1(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='efficientnetb1')
        EfficientNetB2(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='efficientnetb2')
        EfficientNetB3(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='efficientnetb3')
        EfficientNetB4(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='efficientnetb4')
        EfficientNetB5(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='efficientnetb5')
        EfficientNetB6(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='efficientnetb6')
        EfficientNetB7(include_top=True, weights='imagenet', input_tensor=None, input_shape=None, pooling=None, classes=1000, classifier_activation='softmax', name='efficientnetb7')
        MobileNet(input_shape=None, alpha=1.0, depth_multiplier=1, dropout=0.001, include_top=True, weights='imagenet', input_tensor=None, pooling=None, classes=1000, classifier_activation='softmax', name=None)
        MobileNetV2(input_shape=None, alpha=1.0, include_top=True, weights='imagenet', input_tensor=None, pooling=None, classes=1000, classifier_activation='softmax', name=None)
    """,
    "applications.imagenet_utils": """
        preprocess_input(x, data_format=None, mode='caffe')
        decode_predictions(preds, top=5)
    """,
}  # fmt: skip
"""Module -> the names that minicnn has too, with their arguments in order and with defaults."""


def signatures() -> dict[str, dict[str, dict[str, object] | None]]:
    """Module -> name -> arguments with their defaults (``...`` without one); None for plain names.

    >>> signatures()["layers"]["LeakyReLU"]
    {'negative_slope': 0.3}
    """
    import ast

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
