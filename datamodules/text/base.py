"""What all text classification data have in common: tokens, classes, batches of similar length."""

from abc import ABC
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.data import Data, Row
from datamodules.splits import split_mask
from datamodules.text.examples import Inputs, Stored, TextExamples, encode
from datamodules.text.sources import Folder, Given, Lines, Part, Text, Texts
from datamodules.text.subwords import Spelling
from datamodules.text.text_tables import Table
from datamodules.tokens import Tokens


class TextData(Data[Texts], ABC):
    """Base of the datamodules of text classification.

    Facts: ``classes``, ``class_counts``, the fitted ``tokenizer`` (JSON) and ``num_inputs``, the number of rows an
    embedding needs: tokens and, after them, character n-grams.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Texts in a batch, per process. They are of similar length, and padded to the longest of them.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Texts to predict: ``.txt`` (one a line), CSV, TSV, JSONL, Parquet, or a folder of ``.txt`` files.
        text: One text to predict, instead of ``predict_path``.
        tokenizer: ``words``, ``bpe`` or ``wordpiece``, fitted on the training split; or a pretrained model's own, by
            the model's folder or its name on the Hugging Face hub.
        num_tokens: Most tokens that a fitted tokenizer keeps.
        min_count: Times that a word must occur in training to be kept.
        lowercase: Whether a fitted tokenizer forgets the case.
        ngrams: Rows of the embedding for the 3 to 5 letters within a word (Bojanowski et al. 2017), so that an unknown
            word is not all unknown; 0 for none. For ``words`` only.
        max_length: Tokens after which a text is cut.
        encoding: Encoding of the files.
    """

    facts: ClassVar[tuple[str, ...]] = ("classes", "class_counts", "tokenizer", "num_inputs")

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        text: str | None = None,
        tokenizer: str = "words",
        num_tokens: int = 30000,
        min_count: int = 1,
        lowercase: bool = True,
        ngrams: int = 0,
        max_length: int = 512,
        encoding: str = "utf-8",
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        if ngrams and tokenizer != "words":
            raise MisconfigurationException(f"ngrams are of whole words; they do not go with the tokenizer {tokenizer}")
        self.text, self.kind, self.num_tokens, self.min_count = text, tokenizer, num_tokens, min_count
        self.lowercase, self.ngrams, self.max_length, self.encoding = lowercase, ngrams, max_length, encoding
        self.column, self.target = "text", "label"
        self.classes: list[str]
        self.class_counts: list[int]
        self.tokenizer: str
        self.num_inputs: int

    # ---- facts

    def learn(self, train: Texts) -> None:
        """Learn classes and vocabulary."""
        counts = Counter(text.label or "" for text in train)
        if len(counts) < 2:
            raise MisconfigurationException(f"{train.source}: there is only one class, {next(iter(counts), '-')}")
        self.classes = sorted(counts)
        self.class_counts = [counts[name] for name in self.classes]
        if self.kind in ("words", "bpe", "wordpiece"):
            texts = (text.text for text in train)
            tokens = Tokens.learn(texts, self.kind, self.num_tokens, self.min_count, self.lowercase)  # type: ignore[arg-type]
        else:
            tokens = Tokens.pretrained(self.kind)
        self.tokenizer = tokens.json
        self.num_inputs = len(tokens) + self.ngrams

    def add_words(self, words: Sequence[str]) -> None:
        """Add words to the vocabulary; for the tokenizer ``words`` only."""
        if self.kind != "words":
            raise MisconfigurationException(f"words cannot be added to the tokenizer {self.kind}, only to `words`")
        before = Tokens(self.tokenizer)
        tokens = before.extended(words)
        self.tokenizer = tokens.json
        self.num_inputs += len(tokens) - len(before)

    # ---- reading

    def split(self, whole: Texts, split: str, fractions: dict[str, float]) -> Texts:
        """The texts of a split of those that are not divided yet; each class has the same share in every split."""
        labels = [text.label for text in whole]
        left = torch.arange(len(labels))
        for name, fraction in fractions.items():
            some = [labels[i] for i in left.tolist()]
            off = split_mask(len(left), fraction * len(labels) / len(left), self.seed, stratify=some)
            if name == split:
                left = left[off]
                break
            left = left[~off]
        kept = torch.zeros(len(labels), dtype=torch.bool)
        kept[left] = True
        return Part(whole, kept)

    def read_given(self, text: str) -> Texts:
        """One text without a label."""
        return Given("--data.text", [Text(text, None, "")])

    def read_predict(self, path: Path) -> Texts:
        """Read texts without labels."""
        if path.is_dir():
            return Folder(path, self.encoding, labelled=False)
        if path.suffix in (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".pq"):
            return Table(path, self.column, None, self.encoding)
        return Lines(path, self.encoding)

    # ---- batches

    def examples(self, raw: Texts, train: bool) -> "TextExamples":
        """Encode a split."""
        number = {name: index for index, name in enumerate(self.classes)}
        labels, opening = array("q"), []

        def texts() -> Iterator[str]:
            for text, label, where in raw:
                if label is None:
                    opening.append(text[:1000])
                elif label in number:
                    labels.append(number[label])
                else:
                    known = ", ".join(self.classes[:20])
                    raise MisconfigurationException(
                        f"{raw.source}, {where}: the class `{label}` does not occur in training (there: {known})"
                    )
                yield text

        tokens = Tokens(self.tokenizer)
        buckets = self.num_inputs - len(tokens)
        spelling = Spelling(tokens, buckets, self.lowercase) if buckets else None
        encoded = Stored(encode(texts(), tokens, spelling, self.max_length))
        empty = int((encoded.lengths == 0).sum())
        if empty:
            rank_zero_warn(f"{raw.source}: {empty} of {len(encoded)} texts are empty")
        target = torch.tensor(labels, dtype=torch.long) if labels else None
        return TextExamples(encoded, target, None if spelling is None else spelling.rows(), opening)

    def decode(self, inputs: Inputs, rows: Sequence[int]) -> list[str]:
        """The texts of some rows of a batch's inputs, as far as the tokens tell."""
        tokens = inputs[list(rows)] if isinstance(inputs, Tensor) else inputs[1][:, 0][inputs[0][list(rows)]]
        return Tokens(self.tokenizer).decode(tokens.tolist())

    # ---- predictions

    def describe(self, index: int) -> Row:
        """The text, or its beginning."""
        examples: Any = self.datasets["predict"]
        return {"text": examples.opening[index]}
