"""Texts to token ids, by the package tokenizers."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Tokenizer:
    """A fitted tokenizer in ``NAME.json``; id 0 is padding, for which it is exchanged with the id of ``pad``."""

    def __init__(self, folder: Path, pad: int, limit: int | None, name: str = "tokenizer") -> None:
        import tokenizers

        self.tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / f"{name}.json"))
        self.pad, self.num_cut = pad, 0
        if limit is not None:
            self.tokenizer.enable_truncation(limit)

    def encode(self, texts: Sequence[object], words: bool = False) -> list[tuple[list[int], Any]]:
        """Ids of each text, or list of words, and what the tokenizer knows of it."""
        found = []
        for encoding in self.tokenizer.encode_batch(list(texts), is_pretokenized=words):
            self.num_cut += bool(encoding.overflowing)
            ids = [self.exchange(index) for index in encoding.ids]
            found.append(([index for index in ids if self.pad or index], encoding))
        return found

    def tell_cut(self, total: int) -> None:
        """Say how many of ``total`` texts were too long."""
        if self.num_cut:
            print(f"{self.num_cut} of {total} texts are too long: their ends are not read", file=sys.stderr)

    def exchange(self, index: int) -> int:
        """Exchange 0 and the id of padding."""
        return self.pad if index == 0 else 0 if index == self.pad else index

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return str(self.tokenizer.decode([self.exchange(index) for index in ids], skip_special_tokens=True)).strip()


def cut(text: str, longest: int) -> str:
    """The beginning of a text, without halves of characters."""
    return text[: 64 * longest].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
