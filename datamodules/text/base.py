"""What all text classification data have in common: tokens, classes, batches of similar length."""

from abc import ABC
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.data import Data
from datamodules.files.faults import Faults
from datamodules.files.forms import TABLES
from datamodules.files.objects import GIVEN, is_table, listed, rows_in, texts_in
from datamodules.files.opening import suffix_of
from datamodules.files.rows import require
from datamodules.files.vectors import read_words
from datamodules.pairs import text_of
from datamodules.splits import SPLITS
from datamodules.text.examples import MappedRagged, TextExamples, encode
from datamodules.text.sources import TableTexts, Text, TextFiles, TextLines, TextList, Texts, TextSubset
from datamodules.text.subwords import SubwordNgrams
from datamodules.tokens import SPECIAL, Kind, Tokens, num_unspaced
from datamodules.types import Row, SubwordTokens, TextFacts, TypedText


class TextData(Data[Texts, TextFacts], ABC):
    """Base of the datamodules of text classification. Batches hold texts of similar length.

    Args:
        text: One text to predict, instead of ``predict_path``: ``.txt`` (one a line), a table, or a folder of ``.txt``
            files.
        tokenizer: ``words``, ``bpe`` or ``wordpiece``, fitted on the training split; or a pretrained model's own, by
            the model's folder or its name on the Hugging Face hub.
        num_tokens: Most tokens that a fitted tokenizer keeps.
        min_count: Times that a word must occur in training to be kept.
        lowercase: Whether a fitted tokenizer forgets the case.
        ngrams: Rows of the embedding for the 3 to 5 letters within a word (Bojanowski et al. 2017), so that an unknown
            word is not all unknown; 0 for none. For ``words`` only.
        max_length: Tokens after which a text is cut.
        extra_words: File of word vectors, or of words, one a line, that join the vocabulary, so that a test knows more
            words than training had. For ``words`` only.
        **kwargs: Batch size, workers and the like: see ``datamodules.data.Data``.
    """

    makes = TextFacts
    str_is_text = True

    def __init__(
        self,
        text: TypedText | None = None,
        tokenizer: str = "words",
        num_tokens: int = 30000,
        min_count: int = 1,
        lowercase: bool = True,
        ngrams: int = 0,
        max_length: int = 512,
        extra_words: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, least in (("num_tokens", num_tokens, 5), ("ngrams", ngrams, 0), ("max_length", max_length, 1)):
            if value < least:
                raise MisconfigurationException(f"data.{name} is {value}; it must be at least {least}")
        if ngrams and tokenizer != "words":
            raise MisconfigurationException(f"ngrams are of whole words; they do not go with the tokenizer {tokenizer}")
        if extra_words and tokenizer != "words":
            raise MisconfigurationException(
                f"words cannot be added to the tokenizer {tokenizer} (data.extra_words), only to `words`"
            )
        self.text, self.tokenizer, self.num_tokens, self.min_count = text, tokenizer, num_tokens, min_count
        self.lowercase, self.ngrams, self.max_length, self.extra_words = lowercase, ngrams, max_length, extra_words
        self.column, self.target = "text", "label"  # of the user's tables
        self.separator: str | None = None

    # ---- facts

    def learn(self, train: Texts) -> TextFacts:
        """Learn classes and vocabulary."""
        counts = count_classes([text.label or "" for text in train], train.source)
        self._look_for_words(train)
        tokens = self._fit(text.text for text in train)
        if not set(tokens.words) - set(SPECIAL):
            raise MisconfigurationException(
                f"{train.source}: no word occurs {self.min_count} times or more (data.min_count): all texts are alike"
            )
        if self.extra_words is not None:
            tokens = tokens.extended(read_words(Path(self.extra_words)))
        classes = sorted(counts)
        return TextFacts(
            classes=classes,
            class_counts=[counts[name] for name in classes],
            tokenizer=tokens.json,
            num_inputs=len(tokens) + self.ngrams,
        )

    def _look_for_words(self, train: Texts) -> None:
        texts = [text.text[:1000] for text in islice(train, 1000)]
        if self.tokenizer in ("words", "wordpiece") and sum(map(num_unspaced, texts)) > sum(map(len, texts)) / 5:
            rank_zero_warn(
                f"{train.source}: texts are written without spaces, so each character is taken for a word; "
                "--data.tokenizer bpe finds longer ones, that of a pretrained model knows them"
            )

    def _fit(self, texts: Iterator[str]) -> Tokens:
        for kind in get_args(Kind):
            if kind == self.tokenizer:
                return Tokens.learn(texts, kind, self.num_tokens, self.min_count, self.lowercase)
        return Tokens.pretrained(self.tokenizer)

    # ---- reading

    def subset(self, whole: Texts, split: str, val: float = 0.0, test: float = 0.0) -> Texts:
        """The texts of a split of those that are not divided yet; each class has the same share in every split."""
        if {"val": val, "test": test}.get(split) == 0:
            raise MisconfigurationException(
                f"there is nothing to {'test' if split == 'test' else 'validate'} on: data.{split}_fraction is 0"
            )
        labels = [text.label or "" for text in whole]
        count_classes(labels, whole.source)
        return TextSubset(whole, self.assign_splits(len(labels), val, test, labels) == SPLITS.index(split))

    def read_given(self, text: str) -> Texts:
        """One text without a label."""
        return TextList("--data.text", [Text(text, None, "", {"text": text})])

    def read_predict(self, path: Path) -> Texts:
        """Read texts without labels."""
        if path.is_dir():
            return TextFiles(path, self.encoding, labelled=False, on_error=self.on_error)
        if suffix_of(path) in TABLES:
            return TableTexts(path, self.column, None, self.encoding, self.separator, self.on_error)
        return TextLines(path, self.encoding)

    def read_objects(self, inputs: Any) -> Texts:
        """A text, a list of texts, or a table with the column of the texts."""
        texts, rows = texts_in(inputs, self.column, "text")
        found = zip(texts, rows, strict=True)
        return TextList("the texts", [Text(text, None, f"row {k}", row) for k, (text, row) in enumerate(found, 1)])

    def read_labelled(self, inputs: Any) -> Texts:
        """A table with columns of texts and classes, in a file or not; a folder of class folders; pairs of both."""
        if isinstance(inputs, str | Path):
            return self.open_labelled(Path(inputs))
        pairs = rows_in(inputs) if is_table(inputs) else listed(inputs, "texts with their classes")
        if is_table(inputs):
            for row in pairs:
                require(GIVEN, [self.column, self.target], row)
            pairs = [(row[self.column], row[self.target]) for row in pairs]
        return TextList(
            "the texts",
            [Text(str(text), text_of(label, f"row {k}"), f"row {k}", {}) for k, (text, label) in enumerate(pairs, 1)],
        )

    def open_labelled(self, path: Path) -> Texts:
        """The user's texts with their classes: a table, or a folder of class folders."""
        if path.is_dir():
            return TextFiles(path, self.encoding, on_error=self.on_error)
        return TableTexts(path, self.column, self.target, self.encoding, self.separator, self.on_error)

    # ---- batches

    def examples(self, raw: Texts, train: bool) -> TextExamples:
        """Encode a split."""
        facts = self.facts
        number = {name: index for index, name in enumerate(facts.classes)}
        labels, rows, faults = array("q"), [], Faults(self.on_error, raw.source)

        def texts() -> Iterator[str]:
            for text, label, where, row in raw:
                if label is None:
                    rows.append(row)
                elif label in number:
                    labels.append(number[label])
                else:
                    known = ", ".join(facts.classes[:20])
                    faults.add(
                        MisconfigurationException(
                            f"{raw.source}, {where}: the class `{label}` does not occur in training (there: {known})"
                        )
                    )
                    continue
                yield text

        tokens = Tokens(facts.tokenizer)
        buckets = facts.num_inputs - len(tokens)
        ngrams = SubwordNgrams(tokens, buckets) if buckets else None
        encoded = MappedRagged(encode(texts(), tokens, ngrams, self.max_length))
        faults.report(len(encoded) + faults.count, "texts")
        empty = int((encoded.lengths == 0).sum())
        if empty:
            rank_zero_warn(f"{raw.source}: {empty} of {len(encoded)} texts are empty")
        target = None if rows else torch.tensor(labels, dtype=torch.long)
        return TextExamples(encoded, target, None if ngrams is None else ngrams.rows(), rows)

    def decode(self, inputs: Tensor | SubwordTokens, rows: Sequence[int]) -> list[str]:
        """The texts of some rows of a batch's inputs, as far as the tokens tell."""
        chosen = list(rows)
        tokens = inputs[chosen] if isinstance(inputs, Tensor) else inputs.subwords[:, 0][inputs.tokens[chosen]]
        return Tokens(self.facts.tokenizer).decode(tokens.tolist())

    # ---- predictions

    def describe(self, index: int) -> Row:
        """The user's own columns, or the text."""
        examples = self.datasets["predict"]
        assert isinstance(examples, TextExamples)
        return examples.rows[index]


def count_classes(labels: Sequence[str], source: str) -> Counter[str]:
    """Count the texts of each class.

    Raises:
        MisconfigurationException: If there are not several classes, or hardly any two texts have the same.
    """
    counts = Counter(labels)
    if len(counts) < 2:
        raise MisconfigurationException(f"{source}: there is only one class, {next(iter(counts), '-')}")
    if len(counts) > max(20, len(labels) / 2):
        raise MisconfigurationException(
            f"{source}: {len(counts)} classes for {len(labels)} texts, such as `{min(counts)[:40]}`: "
            "is that the column of the classes (--data.target)?"
        )
    return counts
