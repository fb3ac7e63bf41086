"""Attributes of Keras' objects that are not here, with the nearest thing that is."""

import re
from typing import NoReturn

from minicnn.errors import NameUnknownError

__all__ = ["ATTRIBUTES", "raise_no_attribute"]

_TABLE = """\
Model: make_train_function make_test_function make_predict_function train_function test_function
  predict_function train_step test_step predict_step stateless_call stateless_compute_loss
  compute_loss compute_metrics get_metrics_result compiled_loss total_loss
  -> use fit, evaluate and predict, or forward, backward and optimizer.step: examples/custom_loop.py
Model: compiled_metrics
  -> use evaluate with return_dict=True
Model: add_loss add_metric
  -> give compile the loss and the metrics: docs/write_your_own.md
Model: to_yaml
  -> Keras 2.6 took it out: use to_json, or save
Model: export
  -> use save, or minicnn.export_onnx(model, "model.onnx")
Model Layer: compute_output_shape
  -> use output_shape, a tuple of a model's, and a layer's method: without the batch axis
Model Layer: compute_dtype variable_dtype input_dtype
  -> use dtype
Model Layer: losses metrics_variables
  -> evaluate gives the loss, penalties with it; regularizers() has those of a layer
Layer: metrics
  -> compile gives metrics to a model
Layer: get_output_at get_input_at get_output_shape_at get_input_shape_at
  -> keep what each call gave, and use output and input of a layer that is called once
Model: run_eagerly
  -> there is nothing else here: a layer's forward is plain Python: docs/open_a_layer.md
Model: get_compile_config compile_from_config
  -> save keeps how the model was compiled
Model: jit_compile steps_per_execution unrolled_steps_per_execution distribute_strategy
  distribute_reduction_method auto_scale_loss
  -> minicnn runs its own kernels, on the processor: nothing is to be set
Model: sample_weights targets container_nodes nodes_by_depth layers_by_depth state_updates
  -> use inputs, outputs and layers
Model Layer: call symbolic_call rematerialized_call
  -> call the layer or the model itself, or its forward(x)
Model Layer: quantize quantized_build quantized_call quantization_mode quantization_config
  enable_lora lora_alpha lora_enabled lora_rank get_quantization_layer_structure autocast
  dtype_policy
  -> minicnn computes in float32, or in the float64 of Sequential(dtype='float64')
Model Layer: add_weight add_variable
  -> use add_param, or add_state, in a layer's build: docs/write_your_own.md
Model Layer: compute_mask supports_masking input_mask output_mask
  -> minicnn is for images, and has no masks
Model Layer: get_build_config build_from_config load_own_variables save_own_variables
  get_state_tree set_state_tree
  -> use get_config, get_weights and set_weights, or save
Model Layer: compute_output_spec input_spec call_signature_parameters supports_jit path
  variable_serialization_spec convolution_op stateless_call seed_generator inbound_nodes
  outbound_nodes updates uses_learning_phase activity_regularizer
  -> there are no graphs of operations: a layer has output_shape, forward and backward
Layer: get_output get_input
  -> use output and input, in Model(model.input, layer.output)
Layer: add_loss add_metric
  -> give a kernel_regularizer, or compile a loss and metrics: docs/write_your_own.md
Optimizer: apply apply_gradients stateless_apply stateless_variables minimize get_gradients
  compute_gradients trainable_variables get_updates get_weights set_weights update_step
  -> use step(model.params, grads), with the gradients of model.backward: examples/custom_loop.py
Optimizer: add_variable add_variable_from_reference add_optimizer_variables assign assign_add
  assign_sub add_slot get_slot
  -> a custom one defines update, and slot_names: docs/write_your_own.md
Optimizer: name
  -> use type(optimizer).__name__
Optimizer: built
  -> slots is empty before the first step
Optimizer: use_ema ema_momentum ema_overwrite_frequency finalize_variable_values scale_loss
  gradient_accumulation_steps loss_scale_factor get_scaled_loss get_unscaled_gradients
  load_own_variables save_own_variables
  -> there are no averages of weights and no scaled losses: use step, and get_config
Loss: call fn
  -> call the loss itself: loss(y_true, y_pred)
Loss: name dtype
  -> use type(loss).__name__
Metric: add_weight add_variable variables weights total count
  -> keep numbers as attributes, set to 0 in reset_state: docs/write_your_own.md
Metric: stateless_reset_state stateless_result stateless_update_state
  -> use reset_state, update_state and result
Metric: dtype
  -> a result is a float
Callback: get_monitor_value monitor_op validation_data
  -> use logs, of on_epoch_end(epoch, logs), and data that the callback is given
"""

ATTRIBUTES: dict[str, dict[str, str]] = {}
"""Class -> name of an attribute -> what to use instead."""
for _classes, _names, _nearest in re.findall(
    r"^([A-Z][\w ]*):(.*?)->(.*?)(?=^\S|\Z)", _TABLE, re.M | re.S
):
    for _class in _classes.split():
        _found = dict.fromkeys(_names.split(), " ".join(_nearest.split()))
        ATTRIBUTES.setdefault(_class, {}).update(_found)


def raise_no_attribute(value: object, name: str) -> NoReturn:
    """Raise ``NameUnknownError`` for an attribute of Keras', ``AttributeError`` for any other.

    >>> raise_no_attribute(SGD(), "minimize")
    Traceback (most recent call last):
    minicnn.errors.NameUnknownError: SGD has no minimize, which Keras has: use step(model.params, \
grads), with the gradients of model.backward: examples/custom_loop.py.
    """
    for parent in type(value).__mro__:
        nearest = ATTRIBUTES.get(parent.__name__, {}).get(name)
        if nearest is not None:
            has = "" if nearest.startswith("Keras ") else ", which Keras has"
            raise NameUnknownError(f"{type(value).__name__} has no {name}{has}: {nearest}.")
    raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")
