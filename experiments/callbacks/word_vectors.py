"""Word vectors in and out: in word2vec's text format, and in TensorBoard's projector."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import Tensor, nn

from datamodules.files.lines import read_lines
from datamodules.tokens import Tokens
from experiments.callbacks.figures.base import EvaluationFigures


class PretrainedVectors(Callback):
    """Starts a text network's embedding with vectors of words, and says how many words were found.

    Words without a vector keep their random one. A run that goes on from a checkpoint is left as it is.

    Args:
        path: File in the text format of word2vec or GloVe: a word and its vector a line.
        frozen: Whether the embedding stays as it is in training (the words without a vector too).
        scale: Standard deviation to bring the vectors to; None leaves them as they are.
        extend: Whether words of the file that training does not have join the vocabulary, so that a test knows them.
    """

    def __init__(self, path: str, frozen: bool = False, scale: float | None = None, extend: bool = False) -> None:
        self.path, self.frozen, self.scale, self.extend = Path(path), frozen, scale, extend

    def on_facts(self, data: Any) -> None:
        """Add the words to the vocabulary that the data has just learned."""
        if self.extend:
            data.add_words([word for word, _ in read_vectors(self.path)])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fill the embedding."""
        embedding = word_embedding(pl_module)
        embedding.weight.requires_grad_(not self.frozen)
        if trainer.ckpt_path is not None:
            return
        words = vocabulary(trainer)
        ids = {word: index for index, word in enumerate(words)}
        size = embedding.embedding_dim
        rows, vectors = [], []
        for word, values in read_vectors(self.path):
            if len(values) != size:
                raise MisconfigurationException(
                    f"{self.path}: vectors of {len(values)} numbers, but the network's embedding has {size}"
                )
            if word in ids:
                rows.append(ids[word])
                vectors.append(values)
        if not rows:
            raise MisconfigurationException(f"{self.path} has none of the {len(words)} words of the vocabulary")
        found = torch.tensor(vectors)
        if self.scale is not None:
            found *= self.scale / found.std()
        with torch.no_grad():
            embedding.weight[torch.tensor(rows)] = found.to(embedding.weight)
        rank_zero_info(f"{len(rows)} of {len(words)} words have a vector in {self.path}")


class WordVectors(Callback):
    """Writes an embedding when training ends: ``vectors.txt`` in the run's folder, and into TensorBoard's projector.

    The file is in word2vec's text format: number of words and length of a vector, then a word and its vector a line.

    Args:
        num_projected: How many words, from the most frequent on, the projector shows; 0 for none.
        write: Whether to write the file.
    """

    def __init__(self, num_projected: int = 2000, write: bool = True) -> None:
        self.num_projected, self.write = num_projected, write

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write."""
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        words = vocabulary(trainer)
        vectors = word_embedding(pl_module).weight.detach().float().cpu()
        shown = [index for index, word in enumerate(words) if word and not (word[0] == "<" and word[-1] == ">")]
        if self.write:
            path = Path(trainer.default_root_dir) / "vectors.txt"
            write_vectors(path, [words[index] for index in shown], vectors[shown])
            rank_zero_info(f"{len(shown)} vectors in {path}")
        if self.num_projected and isinstance(trainer.logger, TensorBoardLogger):
            first = shown[: self.num_projected]
            board: Any = trainer.logger.experiment
            board.add_embedding(vectors[first], [words[index] for index in first], tag="words")


class TextMistakes(EvaluationFigures):
    """Shows the most confident mistakes of a text classifier in TensorBoard, after a test and the last validation.

    Args:
        num_mistakes: How many.
    """

    def __init__(self, num_mistakes: int = 20) -> None:
        super().__init__()
        self.num_mistakes = num_mistakes
        self._found: list[tuple[float, int, int, str]] = []

    def wanted(self, trainer: Trainer) -> bool:
        """After a test and the last validation."""
        last = not trainer.sanity_checking and trainer.current_epoch + 1 == trainer.max_epochs
        return isinstance(trainer.logger, TensorBoardLogger) and (trainer.testing or last)

    def see(self, trainer: Trainer, pl_module: Any, output: Any, batch: Any, batch_idx: int, num_batches: int) -> None:
        """Look for mistakes."""
        probability, predicted = output.preds.max(1)
        wrong = (predicted != output.target).nonzero().flatten()
        worst = wrong[probability[wrong].argsort(descending=True)][: self.num_mistakes].tolist()
        texts = trainer.datamodule.decode(batch[0], worst)  # type: ignore[attr-defined]
        for i, text in zip(worst, texts, strict=True):
            self._found.append((float(probability[i]), int(predicted[i]), int(output.target[i]), text))
        self._found = sorted(self._found, reverse=True)[: self.num_mistakes]

    def show(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Show them."""
        found, self._found = self._found, []
        if found and trainer.is_global_zero:
            classes: Any = pl_module.classes
            lines = ["| probability | predicted | true | text |", "|---|---|---|---|"]
            for probability, predicted, true, text in found:
                cell = text.replace("|", "\\|")
                lines.append(f"| {probability:.3f} | {classes[predicted]} | {classes[true]} | {cell} |")
            board: Any = trainer.logger.experiment  # type: ignore[union-attr]
            board.add_text(f"{stage}/mistakes", "\n".join(lines), trainer.global_step)


def word_embedding(module: nn.Module) -> nn.Embedding:
    """The first embedding of a network: that of its words."""
    for part in module.modules():
        if isinstance(part, nn.Embedding):
            return part
    raise MisconfigurationException(f"{type(module).__name__} has no embedding of words")


def vocabulary(trainer: Trainer) -> list[str]:
    """The word of each row of the embedding that is one."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    words: list[str] = data.words if hasattr(data, "words") else Tokens(data.tokenizer).words
    return words


def read_vectors(path: Path) -> Iterator[tuple[str, list[float]]]:
    """Words and their vectors from a file in the text format of word2vec (with a first line of two sizes) or GloVe.

    Raises:
        MisconfigurationException: If there is no such file, or a line is not a word and numbers.
    """
    if not path.is_file():
        raise MisconfigurationException(f"there are no word vectors at {path}")
    for number, line in enumerate(read_lines(path), start=1):
        word, *values = line.rstrip().split(" ")
        if number == 1 and len(values) == 1:
            continue
        try:
            vector = [float(value) for value in values]
        except ValueError:
            vector = []
        if not vector:
            raise MisconfigurationException(f"{path}, line {number} is not a word and its vector")
        yield word, vector


def write_vectors(path: Path, words: list[str], vectors: Tensor) -> None:
    """Write vectors ``(words, size)`` in word2vec's text format."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, vector in zip(words, vectors.tolist(), strict=True):
            file.write(f"{word} {' '.join(f'{value:.6g}' for value in vector)}\n")
