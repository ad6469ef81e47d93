"""Running experiments: the command ``leyden``, and ``load`` for notebooks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.deployment.model import load as load

__all__ = ["load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from experiments.startup import import_lightning

    import_lightning()  # which a part of this package may do without
    from experiments.deployment.model import load

    return load
