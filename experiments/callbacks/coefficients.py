"""What a network of a few numbers has learned, printed."""

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_only


class Coefficients(Callback):
    """Prints the parameters of a small network after training.

    Args:
        max_numbers: Print nothing if the network has more parameters than this.
    """

    def __init__(self, max_numbers: int = 20) -> None:
        self.max_numbers = max_numbers

    @rank_zero_only
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print one line for each parameter tensor."""
        parameters = dict(pl_module.named_parameters())
        if sum(parameter.numel() for parameter in parameters.values()) > self.max_numbers:
            return
        for name, parameter in parameters.items():
            numbers = ", ".join(f"{number:.4f}" for number in parameter.flatten().tolist())
            print(f"learned {name.removeprefix('net.')} = {numbers}")
