"""Pictures, texts and options on any board: TensorBoard, Weights & Biases, MLflow, files beside a CSV."""

import io
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import singledispatch
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from datamodules.optional import optional


def has_board(trainer: Trainer) -> bool:
    """Whether anybody would see what is shown."""
    return any(isinstance(logger, BOARDS) for logger in trainer.loggers)


def show_picture(trainer: Trainer, tag: str, png: bytes) -> None:
    """Show a picture on every board.

    Args:
        trainer: Has the boards.
        tag: Its name there.
        png: The picture, as a file.
    """
    for logger in trainer.loggers:
        with _optional(trainer, logger, tag):
            _picture(logger, tag, png, trainer.global_step)


def show_text(trainer: Trainer, tag: str, markdown: str) -> None:
    """Show a text on every board; the arguments are those of ``show_picture``."""
    for logger in trainer.loggers:
        with _optional(trainer, logger, tag):
            _text(logger, tag, markdown, trainer.global_step)


def show_options(trainer: Trainer, options: Mapping[str, str]) -> None:
    """Show the options of a run beside its scores on every board."""
    for logger in trainer.loggers:
        with _optional(trainer, logger, "the table of options"):
            _options(logger, options)


def _optional(trainer: Trainer, logger: Logger, name: str) -> AbstractContextManager[None]:
    folder = Path(logger.log_dir or trainer.default_root_dir)
    return optional(f"{name} of the board", folder, "--trainer.logger false leaves the board out")


@singledispatch
def _picture(logger: Logger, tag: str, png: bytes, step: int) -> None:
    """Nothing: other boards have curves alone, and beside a CSV ``show_figure`` writes a file anyway."""


@_picture.register
def _(logger: TensorBoardLogger, tag: str, png: bytes, step: int) -> None:
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = _opened(png).size
    image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
    writer = logger.experiment._get_file_writer()
    writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)


@_picture.register
def _(logger: WandbLogger, tag: str, png: bytes, step: int) -> None:
    logger.log_image(tag, [_opened(png)], step)


@_picture.register
def _(logger: MLFlowLogger, tag: str, png: bytes, step: int) -> None:
    logger.experiment.log_image(str(logger.run_id), _opened(png), artifact_file=f"pictures/{tag}_{step}.png")


@singledispatch
def _text(logger: Logger, tag: str, markdown: str, step: int) -> None:
    """Nothing: other boards have curves alone."""


@_text.register
def _(logger: TensorBoardLogger, tag: str, markdown: str, step: int) -> None:
    logger.experiment.add_text(tag, markdown, step)


@_text.register
def _(logger: WandbLogger, tag: str, markdown: str, step: int) -> None:
    logger.log_text(tag, columns=["text"], data=[[markdown]], step=step)


@_text.register
def _(logger: MLFlowLogger, tag: str, markdown: str, step: int) -> None:
    logger.experiment.log_text(str(logger.run_id), markdown, f"texts/{tag}_{step}.md")


@_text.register
def _(logger: CSVLogger, tag: str, markdown: str, step: int) -> None:
    path = Path(logger.log_dir) / "texts" / f"{tag.replace('/', '_')}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown, encoding="utf-8")


@singledispatch
def _options(logger: Logger, options: Mapping[str, str]) -> None:
    """As the logger has them, beside the scores that it was given."""
    logger.log_hyperparams(dict(options))


@_options.register
def _(logger: TensorBoardLogger, options: Mapping[str, str]) -> None:
    from torch.utils.tensorboard.summary import hparams

    writer: Any = logger.experiment._get_file_writer()
    # Without a list of options and scores the tab finds them itself: first the options in which runs differ, and the
    # scores among the curves.
    for summary in hparams(dict(options), {})[1:]:
        writer.add_summary(summary)
    logger.experiment.flush()


BOARDS: tuple[type[Logger], ...] = (TensorBoardLogger, WandbLogger, MLFlowLogger, CSVLogger)


def with_board(given: Logger | Iterable[Logger], board: Logger) -> list[Logger]:
    """The loggers that the user asked for and, first, the board of the run, unless there is one among them."""
    asked = [given] if isinstance(given, Logger) else list(given)
    return asked if any(isinstance(logger, TensorBoardLogger) for logger in asked) else [board, *asked]


def _opened(png: bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(png))
