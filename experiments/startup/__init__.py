"""What comes first in every command that computes."""

from experiments.startup.compiler import postpone_compiler
from experiments.startup.postponed import postponed


def import_lightning() -> None:
    """Import Lightning without what few runs need of it."""
    postpone_compiler()
    with postponed("matplotlib", "scipy", "torchvision", "transformers"):  # for metrics of torchmetrics that few have
        import lightning.pytorch.cli  # noqa: F401


def prepare() -> None:
    """Import Lightning, and settle what holds for the whole process."""
    import_lightning()
    import torch

    from experiments.lightning_patches import forget_missing_gpus
    from experiments.messages import be_quiet

    be_quiet()
    torch.set_float32_matmul_precision("high")
    forget_missing_gpus()
