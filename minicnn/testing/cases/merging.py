"""The layers that take several inputs, and the shapes of these."""

from minicnn.layers import (
    Add,
    Average,
    Concatenate,
    CustomScaleLayer,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)
from minicnn.testing.cases.layers import APPLICATIONS, case

ELEMENTWISE = (Add, Multiply, Average, Maximum, Minimum)

MERGING = [
    *(case(cls(), ((3, 4, 2), (3, 4, 2))) for cls in (*ELEMENTWISE, Subtract)),
    *(case(cls(), ((5,), (5,), (5,))) for cls in ELEMENTWISE),
    *(case(cls(), ((3, 4, 2), (1, 1, 2))) for cls in (*ELEMENTWISE, Subtract)),
    *(case(cls(), ((2,), (3, 4, 2))) for cls in (*ELEMENTWISE, Subtract)),
    case(Add(), ((1, 3), (2, 1), (2, 3))),
    case(CustomScaleLayer(0.17), ((3, 2, 4), (3, 2, 4)), not_in_keras=APPLICATIONS),
    case(Concatenate(), ((3, 4, 2), (3, 4, 5), (3, 4, 1))),
    case(Concatenate(axis=1), ((2, 4, 2), (3, 4, 2))),
    case(Concatenate(axis=-2), ((2, 4, 2), (2, 1, 2))),
    case(Concatenate(), ((2,), (4,))),
    case(Dot(axes=1), ((5,), (5,))),
    case(Dot(axes=-1, normalize=True), ((5,), (5,))),
    case(Dot(axes=(2, 1)), ((3, 4), (4, 2))),
    case(Dot(axes=1), ((3, 4), (3, 2))),
    case(Dot(axes=(1, 2), normalize=True), ((3, 4), (2, 3))),
]
"""The layers that take several inputs, which no row has a place for."""
