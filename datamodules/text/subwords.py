"""Subword n-grams: words by the letters within them, so that one which training did not have is not all unknown."""

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.tokens import Tokens


class SubwordNgrams:
    """Numbers the distinct words of texts, and holds for each its token and its character n-grams.

    The n-grams of ``<word>`` with 3 to 5 letters share ``buckets`` rows of the embedding, by a hash (Bojanowski et al.
    2017, "Enriching word vectors with subword information").

    Args:
        tokens: A word-level tokenizer.
        buckets: Number of rows for the n-grams; they follow those of the tokens.
    """

    SIZES = (3, 4, 5)
    LONGEST_WORD = 24  # letters; the rest of a longer one is left out

    def __init__(self, tokens: Tokens, buckets: int) -> None:
        self.tokens, self.buckets = tokens, buckets
        self.numbers: dict[str, int] = {}  # of words as they are written, and as they are looked up
        self.subwords: list[list[int]] = [[]]  # word 0 is padding

    def encode(self, texts: Sequence[str | tuple[str, str]], max_length: int) -> list[list[int]]:
        """Numbers of the words of each text, or of each pair of texts, with one between them."""
        return [
            [self.number(word, index) for index, word in text] for text in self.tokens.encode_surface(texts, max_length)
        ]

    def number(self, written: str, index: int) -> int:
        """Number of a word with that token id."""
        number = self.numbers.get(written)
        if number is None:
            word = self.tokens.normalize(written)
            number = self.numbers.get(word)
            if number is None:
                number = self.numbers[word] = len(self.subwords)
                self.subwords.append([index, *self.ngrams(word)])
            self.numbers[written] = number
        return number

    def ngrams(self, word: str) -> list[int]:
        """Rows of a word's n-grams; none of a word of a letter or two."""
        marked = f"<{word[: self.LONGEST_WORD]}>"
        grams = {marked[i : i + size] for size in self.SIZES for i in range(len(marked) - size + 1)}
        # Python's own hash differs from process to process.
        return [len(self.tokens) + zlib.crc32(gram.encode()) % self.buckets for gram in sorted(grams - {marked})]

    def rows(self) -> Tensor:
        """``(words, 1 + most n-grams)``, filled up with 0."""
        longest = max(1, *(len(rows) for rows in self.subwords))
        padded = torch.zeros(len(self.subwords), longest, dtype=torch.int32)
        for number, rows in enumerate(self.subwords):
            padded[number, : len(rows)] = torch.tensor(rows, dtype=torch.int32)
        return padded
