"""Pictures of runs, networks and results, drawn without a display, shown where a notebook can."""

from minicnn.plots.augmented import plot_augmentation as plot_augmentation
from minicnn.plots.classifying import plot_calibration as plot_calibration
from minicnn.plots.classifying import plot_confusion as plot_confusion
from minicnn.plots.classifying import plot_images as plot_images
from minicnn.plots.classifying import plot_mistakes as plot_mistakes
from minicnn.plots.classifying import plot_precision_recall as plot_precision_recall
from minicnn.plots.classifying import plot_roc as plot_roc
from minicnn.plots.curves import plot_history as plot_history
from minicnn.plots.explanations import plot_explanation as plot_explanation
from minicnn.plots.folded import plot_network as plot_network
from minicnn.plots.layers import plot_layer_statistics as plot_layer_statistics
from minicnn.plots.learning_rates import plot_learning_rates as plot_learning_rates
from minicnn.plots.live import LivePlot as LivePlot
from minicnn.plots.maps import plot_feature_maps as plot_feature_maps
from minicnn.plots.maps import plot_filters as plot_filters
from minicnn.plots.maps import plot_grad_cam as plot_grad_cam
from minicnn.plots.maps import plot_occlusion as plot_occlusion
from minicnn.plots.maps import plot_saliency as plot_saliency
from minicnn.plots.networks import model_to_dot as model_to_dot
from minicnn.plots.networks import plot_model as plot_model
