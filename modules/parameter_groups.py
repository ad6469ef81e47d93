"""Which parameters an optimizer treats alike."""

from typing import Any

from torch import nn


def parameter_groups(module: nn.Module, decay_all: bool) -> list[dict[str, Any]]:
    """Groups of parameters that share a learning rate and weight decay.

    Frozen ones too: they may be trained later, and an optimizer passes over parameters without a gradient.

    Args:
        module: Whose parameters. A network or callback may give one a ``rate``: its factor on the learning rate.
        decay_all: Whether weight decay also pulls on norms, biases and embeddings.
    """
    embeddings = {id(m.weight) for m in module.modules() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for p in module.parameters():
        decayed = decay_all or (p.ndim >= 2 and id(p) not in embeddings)  # norms and biases are vectors
        groups.setdefault((getattr(p, "rate", 1.0), decayed), []).append(p)
    return [
        {"params": parameters, "rate": rate, **({} if decayed else {"weight_decay": 0.0})}
        for (rate, decayed), parameters in groups.items()
    ]
