"""Blocks of successive words to learn vectors from, and lists of words to ask for."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.sampling import BatchIndices, mix
from datamodules.types import Questions


class WordStream(NamedTuple):
    """The words of a split.

    Attributes:
        words: ``(words)``, ids in the order of the text; 0 ends a line.
        keep: ``(vocabulary)``, probability with which a word is kept when training draws it.
    """

    words: Tensor
    keep: Tensor


class WordBlocks:
    """Blocks of successive words. Frequent ones are left out at random in training (Mikolov et al. 2013, section 2.3).

    Args:
        stream: The words.
        size: Words in a block.
        seed: Seed of what is left out.
    """

    def __init__(self, stream: WordStream, size: int, seed: int) -> None:
        self.words, self.keep, self.size, self.seed = stream.words.numpy(), stream.keep.numpy(), size, seed

    def __len__(self) -> int:
        return -(-len(self.words) // self.size)

    def __getitems__(self, indices: BatchIndices) -> Tensor:
        """Word ids ``(words)``, blocks one after the other, 0 between them."""
        blocks = []
        for index in indices:
            words = self.words[index * self.size : (index + 1) * self.size]
            random = np.random.default_rng(mix(self.seed, indices.epoch, index))
            blocks += [words[random.random(len(words), dtype=np.float32) < self.keep[words]], [0]]
        return torch.from_numpy(np.concatenate(blocks).astype(np.int64))


class QuestionList:
    """What the vectors are asked: one example, which is its own batch."""

    def __init__(self, questions: Questions) -> None:
        self.questions = questions

    def __len__(self) -> int:
        return 1

    def __getitems__(self, indices: BatchIndices) -> Questions:
        """All questions."""
        return self.questions


class WordList:
    """Words whose neighbours are asked for."""

    def __init__(self, words: list[str], ids: list[int]) -> None:
        self.words, self.ids = words, torch.tensor(ids, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.words)

    def __getitems__(self, indices: BatchIndices) -> Tensor:
        """Word ids ``(batch)``; 0 for an unknown one."""
        return self.ids[torch.tensor(indices, dtype=torch.long)]
