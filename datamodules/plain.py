"""The form of plain values, as checkpoints hold them."""

import math
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin


def fits(value: Any, form: Any, finite: bool = True) -> bool:
    """Whether a plain value has the form of a type.

    Args:
        value: Numbers, texts, tensors, and lists and dictionaries of these.
        form: ``int``, ``float``, ``bool``, ``str``, ``Tensor``, ``Any``, ``list[...]``, ``dict[..., ...]`` or a union.
        finite: Whether numbers must be.
    """
    origin, inner = get_origin(form), get_args(form)
    if origin in (Union, UnionType):
        return any(fits(value, one, finite) for one in inner)
    if origin is list:
        return isinstance(value, list | tuple) and all(fits(one, inner[0], finite) for one in value)
    if origin is dict:
        if not isinstance(value, dict):
            return False
        return all(fits(key, inner[0]) and fits(one, inner[1], finite) for key, one in value.items())
    if form is float:
        return type(value) in (int, float) and (not finite or math.isfinite(value))
    if form is Any:
        return type(value) is not float or not finite or math.isfinite(value)
    return type(value) is int if form is int else isinstance(value, form or NoneType)
