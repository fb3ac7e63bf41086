"""The checks that every layer passes, for custom layers as well."""

from minicnn.testing.checks import CHECKS, CheckError, LayerCase, check_layer, numeric_gradient

__all__ = ["CHECKS", "CheckError", "LayerCase", "check_layer", "numeric_gradient"]
