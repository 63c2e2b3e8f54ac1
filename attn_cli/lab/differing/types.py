"""The types in which a stage is emulated, and the limits of what is noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from attn_cli.dataclass import replace
from attn_cli.floats import FLOAT_TYPES, FloatType
from attn_cli.lab.noise import NARROW, kernel_types
from attn_cli.maths.precision import Precision, RopeTypes

# float64 is emulated as float32, whose errors are so many times as large.
FLOAT64 = FLOAT_TYPES["float64"].eps / FLOAT_TYPES["float32"].eps


class Kernel(NamedTuple):
    """One way in which a kernel may have its types."""

    said: str
    precision: Precision
    stored: Mapping[str, FloatType]  # step -> the type in which its array is kept
    scale: float  # of the errors of an emulation


def kernels(
    type_: str, types: Mapping[str, str], *, chosen: bool, rotates: bool, declared: Precision | None
) -> list[Kernel]:
    """Return the types to try, the usual ones first.

    `types` has the type of each observed step; `chosen`: `type_` is that of all. `rotates`: there
    is a rotary embedding. `declared` are the types that the problem itself declares.
    """
    if type_ == "float64":
        stored = dict.fromkeys(types, FLOAT_TYPES["float32"])
        return [Kernel("", kernel_types("float32"), stored, FLOAT64)]
    stored = {step: FLOAT_TYPES[type_ if chosen else own] for step, own in types.items()}
    found = [Kernel("scores in float32" if type_ in NARROW else "", kernel_types(type_), stored, 1)]
    if type_ in NARROW:
        found.append(
            Kernel(f"scores rounded to {type_}", kernel_types(type_, scores=type_), stored, 1)
        )
    if rotates and type_ in NARROW:
        narrow, wide = FLOAT_TYPES[type_], FLOAT_TYPES["float32"]
        rope = RopeTypes(angles=wide, table=narrow, rotation=narrow)
        precision = replace(kernel_types(type_), rope=rope)
        found.append(Kernel(f"rotations in {type_}", precision, stored, 1))
    if declared is not None and all(declared != each.precision for each in found):
        found.insert(0, Kernel("the types of the problem", declared, stored, 1))
    return found
