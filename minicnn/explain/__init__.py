"""What a network did with a picture, number by number, and whether its gradients are right.

``Model.explain``, ``Model.explain_gradient`` and ``Model.check_gradients`` are the way in.
"""

from minicnn.explain.diagnosis import Doctor as Doctor
from minicnn.explain.diagnosis import Finding as Finding
from minicnn.explain.diagnosis import Findings as Findings
from minicnn.explain.diagnosis import diagnose as diagnose
from minicnn.explain.maps import ClassMap as ClassMap
from minicnn.explain.maps import feature_maps as feature_maps
from minicnn.explain.maps import grad_cam as grad_cam
from minicnn.explain.maps import occlusion as occlusion
from minicnn.explain.maps import saliency as saliency
from minicnn.explain.receptive_fields import ReceptiveField as ReceptiveField
from minicnn.explain.receptive_fields import receptive_field as receptive_field
from minicnn.explain.statistics import LayerRow as LayerRow
from minicnn.explain.watching import LayerStatistics as LayerStatistics
