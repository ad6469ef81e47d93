"""How the images were prepared that pretrained weights were trained on."""

import difflib
from typing import Any

import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException

TIMM = "timm/"


def preset_of(weights: str) -> dict[str, Any]:
    """How the images were prepared that pretrained weights were trained on.

    Args:
        weights: ``SqueezeNet1_1_Weights.DEFAULT`` and the like; or ``timm/`` and the name of a model of timm.

    Returns:
        ``crop`` and ``resize`` (of the shorter side) in pixels, ``interpolation``, ``mean``, ``std`` of each channel.

    Raises:
        MisconfigurationException: If there are no such weights, or not for classification.
    """
    if weights.startswith(TIMM):
        return _preset_of_timm(weights.removeprefix(TIMM))
    try:
        own = torchvision.models.get_weight(weights).transforms()
        resize, crop = int(own.resize_size[0]), int(own.crop_size[0])
    except (ValueError, KeyError, AttributeError):
        known = [
            f"{type(entry).__name__}.{entry.name}"
            for name in torchvision.models.list_models(module=torchvision.models)
            for entry in [*torchvision.models.get_model_weights(name)]
        ]
        near = ", ".join(difflib.get_close_matches(weights, known, n=3)) or known[0]
        raise MisconfigurationException(
            f"data.weights: torchvision has no weights {weights} for classification; nearest: {near}"
        ) from None
    return {
        "crop": crop,
        "resize": resize,
        "interpolation": own.interpolation.value,
        "mean": list(own.mean),
        "std": list(own.std),
    }


def _preset_of_timm(name: str) -> dict[str, Any]:
    try:
        import timm
    except ImportError:
        raise MisconfigurationException(f"data.weights: timm/{name} needs the package timm: pip install timm") from None
    if not timm.is_model(name):
        near = ", ".join(difflib.get_close_matches(name.split(".")[0], timm.list_models(), n=3))
        raise MisconfigurationException(f"data.weights: timm has no model {name}; nearest: {near}")
    own = timm.data.resolve_data_config(timm.get_pretrained_cfg(name).to_dict())
    crop = int(own["input_size"][-1])
    return {
        "crop": crop,
        "resize": round(crop / own["crop_pct"]),
        "interpolation": own["interpolation"],
        "mean": list(own["mean"]),
        "std": list(own["std"]),
    }
