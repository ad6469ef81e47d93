"""The configuration of a run: in its folder, in its checkpoints, on the board."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from experiments import runs
from experiments.callbacks.board.card import card
from experiments.callbacks.board.loggers import has_board, show_options, show_text
from experiments.runs import CONFIG, FORMAT
from experiments.signatures import sign


class SaveConfig(SaveConfigCallback):
    """Puts the whole configuration into the run folder, into every checkpoint and, with the scores, on the board.

    Args:
        *args: Parser and configuration.
        trained_with: The configuration of the checkpoint that is tested.
        packages: Packages of the user's own that the configuration may name.
        **kwargs: Further options of Lightning's.
    """

    def __init__(
        self, *args: Any, trained_with: str | None = None, packages: Iterable[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.trained_with, self.packages = trained_with, packages

        kept = self.config.clone()
        kept.pop("ckpt_path", None)
        self.text = sign(self.parser.dump(kept, skip_none=False), self.packages)

    @rank_zero_only
    def write(self, run: Path) -> None:
        """Write ``config.yaml`` of a run that has none.

        It is written before anything else is done: a run that is killed while its data is read begins anew from it.
        """
        if self.overwrite or not (run / CONFIG).exists():
            runs.write(run / CONFIG, self.text)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Nothing: Lightning's would write now."""

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, object]) -> None:
        """A checkpoint carries its configuration, and says in which format it is written."""
        checkpoint["config"], checkpoint["format"] = self.text, FORMAT

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The TEXT tab says what the run is, once in its life; ``config.yaml`` says with what a training goes on."""
        if trainer.ckpt_path is not None and trainer.is_global_zero:
            runs.write(Path(trainer.default_root_dir) / CONFIG, self.text)
        if trainer.ckpt_path is None and has_board(trainer) and trainer.is_global_zero:
            words = getattr(self.parser, "words", ())
            show_text(trainer, "run", card(trainer, pl_module, words, self.text))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The HPARAMS tab shows the options beside the validation scores."""
        self._compare(trainer, self.text)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The HPARAMS tab shows the options beside the test scores."""
        self._compare(trainer, self.trained_with or self.text)

    def _compare(self, trainer: Trainer, text: str) -> None:
        if trainer.is_global_zero:
            values = leaves(yaml.safe_load(text))
            show_options(trainer, {key: str(value) for key, value in values if value is not None and _told(key)})


def leaves(tree: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The values of nested options, named as on the command line.

    Args:
        tree: A configuration.
        path: What the names begin with.
    """
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in ("init_args", "class_path"):
                yield from leaves(value, path)
            else:
                yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree


def _told(option: str) -> bool:
    """Whether an option is worth a column beside the scores: not those of the machine."""
    trainer = ("max_epochs", "max_steps", "precision", "accumulate_grad_batches", "gradient_clip_val")
    return not option.startswith("trainer.") or option.removeprefix("trainer.") in trainer
