"""The image networks of torchvision and timm, pretrained or not, with a last layer for the classes at hand."""

import difflib
from collections.abc import Sequence
from typing import Any

import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from modules.nets.loading import find_weights, load_matching, pretrained_needed

FILES = (".pth", ".pt", ".th", ".bin")
TIMM = "timm/"


class TorchvisionModel(nn.Module):
    """Any classification model of torchvision, or of timm, its last layer new for the classes at hand.

    torchvision's models take grey images repeated to the three channels that their weights expect. The ReLU that
    SqueezeNet has behind its last layer is left out: with few classes it can silence one for good.

    Attributes:
        head: The new last layer.

    Args:
        in_channels: Channels of the images.
        num_classes: Number of classes.
        name: Name of the model, such as ``resnet18``, ``alexnet``, ``vgg16``, ``squeezenet1_1``; or ``timm/`` and the
            name of a model of the ``timm`` package (``pip install leyden[timm]``).
        weights: Name of pretrained weights (``DEFAULT``, ``IMAGENET1K_V1``), downloaded where they are not at hand; or
            a file of a state dict (``.pth``, ``.pt``, ``.th``, ``.bin``), looked for from here and then in
            ``$LEYDEN_DATA``. Random weights if None. Not read where a checkpoint brings the weights.
        dropout: Probability of all the model's dropout layers; the model's own if None.

    Raises:
        MisconfigurationException: If the model or the weights are unknown, or the file's tensors do not fit.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        name: str = "resnet18",
        weights: str | None = None,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        # The command line hands `--model.net.weights null` on as "None".
        needed = weights if pretrained_needed() and weights != "None" else None
        file = find_weights(needed) if needed and needed.endswith(FILES) else None
        published = None if file else needed
        if name.startswith(TIMM):
            self.repeat = 1
            self.model, self.head_name = _timm_model(name.removeprefix(TIMM), in_channels, num_classes, published)
        else:
            self.repeat = 3 if in_channels == 1 else 1
            self.model = _torchvision_model(name, published)
            self.head_name = replace_head(self.model, num_classes)
        if file is not None:
            load_matching(self.model, file, new=self.head_name)
        for layer in self.model.modules():
            if dropout is not None and isinstance(layer, nn.Dropout):
                layer.p = dropout

    @property
    def head(self) -> nn.Module:
        """The new last layer."""
        return self.model.get_submodule(self.head_name)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        logits: Tensor = self.model(images.expand(-1, self.repeat * self.in_channels, -1, -1))
        return logits


def _torchvision_model(name: str, weights: str | None) -> nn.Module:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise MisconfigurationException(f"torchvision has no classification model {name}{_nearest(name, known)}")
    try:
        model: Any = torchvision.models.get_model(name, weights=weights)
    except (ValueError, KeyError):
        names = [entry.name for entry in torchvision.models.get_model_weights(name)]
        raise MisconfigurationException(
            f"{name} has no weights {weights}{_nearest(weights or '', names)}; a file must end in {', '.join(FILES)}"
        ) from None
    except OSError as error:
        raise MisconfigurationException(f"the weights {weights} of {name} cannot be downloaded ({error})") from None
    if getattr(model, "aux_logits", False):  # Inception's and GoogLeNet's heads on the side are of no use here
        model.aux_logits = False
        model.AuxLogits = model.aux1 = model.aux2 = None
    return model  # type: ignore[no-any-return]


def _timm_model(name: str, in_channels: int, num_classes: int, weights: str | None) -> tuple[nn.Module, str]:
    try:
        import timm
    except ImportError:
        raise MisconfigurationException(f"{TIMM}{name} needs the package timm: pip install timm") from None
    if not timm.is_model(name):
        known = timm.list_models()
        raise MisconfigurationException(f"timm has no model {name}{_nearest(name.split('.')[0], known)}")
    if weights not in (None, "DEFAULT"):
        raise MisconfigurationException(f"{TIMM}{name} takes the weights DEFAULT or a file, not {weights}")
    try:
        model = timm.create_model(name, pretrained=weights is not None, in_chans=in_channels, num_classes=num_classes)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise MisconfigurationException(f"the weights of {TIMM}{name} cannot be downloaded ({reason})") from None
    head = model.get_classifier()
    return model, next(key for key, module in model.named_modules() if module is head)


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f"; nearest: {', '.join(near)}" if near else ""


def replace_head(model: nn.Module, num_classes: int) -> str:
    """Replace the last linear (or, as in SqueezeNet, 1x1 convolutional) layer by a new one.

    Args:
        model: The network.
        num_classes: Outputs of the new layer.

    Returns:
        The name of the replaced layer.
    """
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    name: str = layers[-1][0]
    last, new = layers[-1][1], nn.Module()
    parent, _, attribute = name.rpartition(".")
    if isinstance(last, nn.Linear):
        new = nn.Linear(last.in_features, num_classes, bias=last.bias is not None)
    else:
        new = nn.Conv2d(last.in_channels, num_classes, last.kernel_size, last.stride)  # type: ignore[arg-type]
        nn.init.normal_(new.weight, std=0.01)  # as SqueezeNet does (its default would start far from even odds)
        nn.init.zeros_(new.bias)  # type: ignore[arg-type]
        behind = list(model.get_submodule(parent).children())
        if len(behind) > int(attribute) + 1 and isinstance(behind[int(attribute) + 1], nn.ReLU):
            setattr(model.get_submodule(parent), str(int(attribute) + 1), nn.Identity())
    setattr(model.get_submodule(parent), attribute, new)
    return name
