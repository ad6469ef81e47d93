"""Blocks of successive words to learn vectors from, and what the vectors are asked."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.sampling import Draw, mix


class Stream(NamedTuple):
    """The words of a split.

    Attributes:
        words: ``(words)``, ids in the order of the text; 0 ends a line.
        keep: ``(vocabulary)``, probability with which a word is kept when training draws it.
    """

    words: Tensor
    keep: Tensor


class Blocks:
    """Blocks of successive words. Frequent ones are left out at random in training (Mikolov et al. 2013, section 2.3).

    Args:
        stream: The words.
        size: Words in a block.
        seed: Seed of what is left out.
    """

    def __init__(self, stream: Stream, size: int, seed: int) -> None:
        self.words, self.keep, self.size, self.seed = stream.words.numpy(), stream.keep.numpy(), size, seed

    def __len__(self) -> int:
        return -(-len(self.words) // self.size)

    def __getitems__(self, indices: Draw) -> Tensor:
        """Word ids ``(words)``, blocks one after the other, 0 between them."""
        blocks = []
        for index in indices:
            words = self.words[index * self.size : (index + 1) * self.size]
            random = np.random.default_rng(mix(self.seed, indices.epoch, index))
            blocks += [words[random.random(len(words), dtype=np.float32) < self.keep[words]], [0]]
        return torch.from_numpy(np.concatenate(blocks).astype(np.int64))


class Questions(NamedTuple):
    """What vectors are tested on, as word ids; only what has no unknown word.

    Attributes:
        similarity: For each list its name, pairs ``(pairs, 2)`` and what people said ``(pairs)``.
        analogies: ``(questions, 4)``: a is to b as c is to d.
    """

    similarity: list[tuple[str, Tensor, Tensor]]
    analogies: Tensor


class Whole:
    """A dataset of one example, which is its own batch."""

    def __init__(self, example: object) -> None:
        self.example = example

    def __len__(self) -> int:
        return 1

    def __getitems__(self, indices: Draw) -> object:
        """The example."""
        return self.example


class WordList:
    """Words whose neighbours are asked for."""

    def __init__(self, words: list[str], ids: list[int]) -> None:
        self.words, self.ids = words, torch.tensor(ids, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.words)

    def __getitems__(self, indices: Draw) -> Tensor:
        """Word ids ``(batch)``; 0 for an unknown one."""
        return self.ids[torch.tensor(indices, dtype=torch.long)]
