"""Word vectors in and out: in word2vec's text format, and in TensorBoard's projector."""

from collections.abc import Iterable
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import nn

from datamodules.data import data_of
from datamodules.optional import optional
from datamodules.tokens import Tokens
from datamodules.types import CorpusFacts, Facts, TaggingFacts, TextFacts
from datamodules.vectors import read_vectors, write_vectors
from modules.distributed import part_of, whole


class PretrainedVectors(Callback):
    """Starts a text network's embedding with vectors of words, and says how many words were found.

    Words without a vector keep their random one. A run that goes on from a checkpoint is left as it is. With
    ``--data.extra_words``, words that training does not have join the vocabulary.

    Args:
        path: File in the text format of word2vec or GloVe: a word and its vector a line.
        frozen: Whether the embedding stays as it is in training (the words without a vector too).
        scale: Standard deviation to bring the vectors to; None leaves them as they are.
    """

    def __init__(self, path: str, frozen: bool = False, scale: float | None = None) -> None:
        self.path, self.frozen, self.scale = Path(path), frozen, scale

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fill the embedding."""
        embedding = word_embedding(pl_module)
        embedding.weight.requires_grad_(not self.frozen)
        if trainer.ckpt_path is not None:
            return
        words = vocabulary(data_of(trainer).facts)
        found = matching(read_vectors(self.path), words, embedding.embedding_dim, self.path)
        if not found:
            raise MisconfigurationException(f"{self.path} has none of the {len(words)} words of the vocabulary")
        vectors = torch.tensor(list(found.values()))
        if self.scale is not None:
            vectors *= self.scale / vectors.std()
        with torch.no_grad():
            rows = whole(embedding.weight).clone()
            rows[torch.tensor(list(found))] = vectors.to(rows)
            embedding.weight.copy_(part_of(rows, embedding.weight))
        rank_zero_info(f"{len(found)} of {len(words)} words have a vector in {self.path}")


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
        words = vocabulary(data_of(trainer).facts)
        vectors = word_embedding(pl_module).weight.detach().float().cpu()
        shown = [index for index, word in enumerate(words) if word and not (word[0] == "<" and word[-1] == ">")]
        if self.write:
            path = Path(trainer.default_root_dir) / "vectors.txt"
            with optional(path.name, path.parent, "The checkpoints have the vectors"):
                write_vectors(path, [words[index] for index in shown], vectors[shown])
                rank_zero_info(f"{len(shown)} vectors in {path}")
        if self.num_projected and isinstance(trainer.logger, TensorBoardLogger):
            first = shown[: self.num_projected]
            with optional("the projector of the board", Path(trainer.logger.log_dir)):
                trainer.logger.experiment.add_embedding(vectors[first], [words[index] for index in first], tag="words")


def matching(
    vectors: Iterable[tuple[str, list[float]]], words: list[str], size: int, path: Path
) -> dict[int, list[float]]:
    """The vector of each row of an embedding whose word has one; the first, if it has several.

    Args:
        vectors: Words and their vectors.
        words: Word of each row.
        size: Length of a row.
        path: Where the vectors come from, for the message.

    Raises:
        MisconfigurationException: If the vectors have another length.
    """
    rows = {word: row for row, word in enumerate(words) if row and word}  # the first is padding, and stays zero
    found: dict[int, list[float]] = {}
    for word, vector in vectors:
        if len(vector) != size:
            raise MisconfigurationException(
                f"{path}: vectors of {len(vector)} numbers, but the network's embedding has {size}"
            )
        if word in rows:
            found.setdefault(rows[word], vector)
    return found


def word_embedding(module: nn.Module) -> nn.Embedding:
    """The first embedding of a network: that of its words."""
    for part in module.modules():
        if isinstance(part, nn.Embedding):
            return part
    raise MisconfigurationException(f"{type(module).__name__} has no embedding of words")


def vocabulary(facts: Facts) -> list[str]:
    """The word of each row of the embedding that is one."""
    if isinstance(facts, CorpusFacts):
        return facts.words
    if isinstance(facts, TaggingFacts):
        return ["", "", *facts.words]  # padding and unknown come first
    if isinstance(facts, TextFacts):
        return Tokens(facts.tokenizer).words
    raise MisconfigurationException(f"word vectors are of words, and the data has {facts.what}")
