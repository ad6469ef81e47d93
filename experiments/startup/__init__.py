"""What comes first in every command that computes."""

from experiments.startup.compiler import postpone_compiler
from experiments.startup.postponed import postponed


def import_lightning() -> None:
    """Import Lightning without what few runs need of it."""
    import torch  # noqa: F401 - itself as ever

    postpone_compiler()
    # For metrics of torchmetrics that few have; triton, to count operations of its kernels.
    with postponed("matplotlib", "scipy", "torchvision", "transformers", "triton"):
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
