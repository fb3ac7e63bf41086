"""Models into ONNX files, and from them."""

from minicnn.onnx.exporting import export_onnx
from minicnn.onnx.importing import import_onnx

__all__ = ["export_onnx", "import_onnx"]
