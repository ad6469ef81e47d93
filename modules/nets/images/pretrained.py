"""The image networks of torchvision and timm, pretrained or not, with a last layer for the classes at hand."""

import difflib
from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from modules.nets.images.norms import normalize_single_by_running
from modules.nets.loading import PretrainedNet, find_weights, first_line, load_matching, read_tensors

FILES = (".pth", ".pt", ".th", ".bin")
TIMM = "timm/"


class TorchvisionModel(PretrainedNet):
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
        # The command line hands `--model.net.weights null` on as "None".
        self.name, self.weights = name, None if weights == "None" else weights
        self.in_channels, self.num_classes = in_channels, num_classes
        published = None if self.weights is None or self.weights.endswith(FILES) else self.weights
        if name.startswith(TIMM):
            self.repeat = 1
            self.model, self.head_name = _timm_model(
                name, in_channels, num_classes, self.weights if published else None
            )
        else:
            self.repeat = 3 if in_channels == 1 else 1
            self.model = _torchvision_model(name, published)
            self.head_name = replace_head(self.model, num_classes)
        normalize_single_by_running(self.model)
        for layer in self.model.modules():
            if dropout is not None and isinstance(layer, nn.Dropout):
                layer.p = dropout

    @property
    def head(self) -> nn.Module:
        """The new last layer."""
        return self.model.get_submodule(self.head_name)

    @property
    def is_pretrained(self) -> bool:
        """Whether it was asked for pretrained weights."""
        return self.weights is not None

    def load_pretrained(self) -> None:
        """Load the weights of all layers but the new one."""
        if self.weights is None:
            return
        if self.weights.endswith(FILES):
            path = find_weights(self.weights)
            load_matching(self.model, read_tensors(path), str(path), new=self.head_name)
            return
        with torch.random.fork_rng(devices=[]):  # a second network is made, whose numbers nobody needs
            tensors = _published(self.name, self.weights, self.in_channels)
        known = self.model.state_dict()
        tensors = {key: value for key, value in tensors.items() if key in known}  # heads on the side are left out
        load_matching(self.model, tensors, f"{self.name}, {self.weights}", new=self.head_name)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        logits: Tensor = self.model(images.expand(-1, self.repeat * self.in_channels, -1, -1))
        return logits


def _torchvision_model(name: str, weights: str | None) -> nn.Module:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise MisconfigurationException(f"torchvision has no classification model {name}{_nearest(name, known)}")
    options = {}
    if weights is not None:
        names = list(torchvision.models.get_model_weights(name).__members__)
        if weights not in names:
            raise MisconfigurationException(
                f"{name} has no weights {weights}{_nearest(weights, names)}; a file must end in {', '.join(FILES)}"
            )
        # As torchvision makes them for its weights.
        if name.startswith(("vgg", "inception", "googlenet")):
            options["init_weights"] = False
        if name.startswith(("inception", "googlenet")):
            options["transform_input"] = True
    model: Any = torchvision.models.get_model(name, weights=None, **options)
    if isinstance(model, torchvision.models.Inception3 | torchvision.models.GoogLeNet):  # heads on the side: of no use
        model.aux_logits = False
        model.AuxLogits = model.aux1 = model.aux2 = None
    net: nn.Module = model
    return net


def _timm_model(name: str, in_channels: int, num_classes: int, weights: str | None) -> tuple[nn.Module, str]:
    try:
        import timm
    except ImportError:
        raise MisconfigurationException(f"{name} needs the package timm: pip install timm") from None
    name = name.removeprefix(TIMM)
    if not timm.is_model(name):
        known = timm.list_models()
        raise MisconfigurationException(f"timm has no model {name}{_nearest(name.split('.')[0], known)}")
    if weights not in (None, "DEFAULT"):
        raise MisconfigurationException(f"{TIMM}{name} takes the weights DEFAULT or a file, not {weights}")
    model = timm.create_model(name, pretrained=False, in_chans=in_channels, num_classes=num_classes)
    head = model.get_classifier()
    return model, next(key for key, module in model.named_modules() if module is head)


def _published(name: str, weights: str, in_channels: int) -> dict[str, Tensor]:
    """The tensors of published weights, for images of so many channels."""
    try:
        if name.startswith(TIMM):
            import timm

            model = timm.create_model(name.removeprefix(TIMM), pretrained=True, in_chans=in_channels)
        else:
            model = torchvision.models.get_model(name, weights=weights)
    except (OSError, RuntimeError) as error:
        raise MisconfigurationException(
            f"the weights {weights} of {name} cannot be downloaded ({first_line(error)}); without them: "
            "configs/own/images_from_scratch.yaml, or --model.net.weights null"
        ) from None
    state: dict[str, Tensor] = model.state_dict()
    return state


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
