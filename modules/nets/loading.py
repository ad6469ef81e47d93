"""Pretrained weights: when they are loaded, and whether they fit."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import Tensor, nn


class PretrainedNet(nn.Module, ABC):
    """Base of the networks that may start with pretrained weights.

    They are loaded after the network is made, and only if no checkpoint brings the weights.
    """

    @property
    def is_pretrained(self) -> bool:
        """Whether it was asked for pretrained weights."""
        return True

    @abstractmethod
    def load_pretrained(self) -> None:
        """Load the pretrained weights, if the network was asked for any."""


def find_weights(name: str) -> Path:
    """A weights file, looked for from here and then in ``$LEYDEN_DATA``.

    Raises:
        MisconfigurationException: If there is none.
    """
    places = [Path(name), Path(os.environ.get("LEYDEN_DATA", "data")) / name]
    for path in places:
        if path.is_file():
            return path
    raise MisconfigurationException(f"there is no weights file {' nor '.join(dict.fromkeys(map(str, places)))}")


def load_matching(model: nn.Module, tensors: dict[str, Tensor], source: str, new: str) -> None:
    """Load tensors into a model whose last layer is new.

    Args:
        model: The network.
        tensors: By their names.
        source: Where they come from, for messages.
        new: Name of the layer that stays as it is.

    Raises:
        MisconfigurationException: If a tensor has another name or shape than in the network, or one is missing. It
            names them, and says how many would have fitted.
    """
    tensors = {key: value for key, value in tensors.items() if not key.startswith(f"{new}.")}
    own = {key: value for key, value in model.state_dict().items() if not key.startswith(f"{new}.")}
    problems = [
        f"{key} is {tuple(value.shape)} in the file, "
        + (f"{tuple(own[key].shape)} here" if key in own else "unknown here")
        for key, value in tensors.items()
        if key not in own or own[key].shape != value.shape
    ]
    fitting = len(tensors) - len(problems)
    problems += [
        f"{key} {tuple(value.shape)} is missing"
        for key, value in own.items()
        if key not in tensors and not key.endswith("num_batches_tracked")
    ]
    if problems:
        more = f"; and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise MisconfigurationException(
            f"{source} does not fit the network ({fitting} of its {len(tensors)} tensors do): "
            f"{'; '.join(problems[:6])}{more}"
        )
    model.load_state_dict(tensors, strict=False)
    layers = [key for key in model.state_dict() if key.startswith(f"{new}.")]
    rank_zero_info(f"loaded {len(tensors)} tensors from {source}; new: {', '.join(layers)}")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a file of a state dict, possibly wrapped in ``{"state_dict": ...}`` and with ``module.`` before the names.

    Raises:
        MisconfigurationException: If it holds anything else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        content = content.get("state_dict", content)
        tensors = {key.removeprefix("module."): value for key, value in content.items()}
        if not tensors or not all(isinstance(value, Tensor) for value in tensors.values()):
            raise ValueError("it holds something other than named tensors")
    except Exception as error:  # torch.load raises nearly every kind
        raise MisconfigurationException(f"{path} is not a file of weights ({first_line(error)})") from None
    return tensors


def first_line(error: Exception) -> str:
    """The first line of what an error says; its kind if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def set_rate(parameters: Iterable[nn.Parameter], rate: float) -> None:
    """Let parameters be trained at a multiple of the learning rate of the others."""
    for parameter in parameters:
        parameter.rate = rate  # type: ignore[attr-defined]  # groups of parameters are made by it
