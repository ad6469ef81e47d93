"""What all text classification data have in common: tokens, classes, batches of similar length."""

from abc import ABC
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.data import Data, check_least
from datamodules.files.faults import Faults
from datamodules.files.forms import TABLES
from datamodules.files.frame import separator_of
from datamodules.files.objects import is_table, listed, rows_in, texts_in
from datamodules.files.opening import suffix_of
from datamodules.splits import SPLITS
from datamodules.targets import ClassTarget, Target
from datamodules.text.examples import MappedRagged, TextExamples, encode
from datamodules.text.sources import TableTexts, Text, TextFiles, TextLines, TextList, Texts, TextSubset, text_in
from datamodules.text.subwords import SubwordNgrams
from datamodules.tokens import SPECIAL, Kind, Tokens, num_unspaced
from datamodules.types import Row, SegmentTokens, SubwordTokens, TextClassFacts, TextFacts, TypedText
from datamodules.vectors import read_words


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

    makes: type[TextFacts] = TextClassFacts
    str_is_text = True
    changeable = frozenset({"max_length"})

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
        check_least(5, num_tokens=num_tokens)
        check_least(0, ngrams=ngrams)
        check_least(1, max_length=max_length)
        if ngrams and tokenizer != "words":
            raise MisconfigurationException(f"ngrams are of whole words; they do not go with the tokenizer {tokenizer}")
        if extra_words and tokenizer != "words":
            raise MisconfigurationException(
                f"words cannot be added to the tokenizer {tokenizer} (data.extra_words), only to `words`"
            )
        self.text, self.tokenizer, self.num_tokens, self.min_count = text, tokenizer, num_tokens, min_count
        self.lowercase, self.ngrams, self.max_length, self.extra_words = lowercase, ngrams, max_length, extra_words
        self.columns = ["text"]  # of the user's tables: that of the text, or those of a pair of texts
        self.target: Target = ClassTarget(["label"])
        self.separator: str | None = None

    # ---- facts

    def learn(self, train: Texts) -> TextFacts:
        """Learn the vocabulary, and what is to be predicted."""
        target = self.target.learn([text.label for text in train], train.source)
        self._look_for_words(train)
        tokens = self._fit(part for text in train for part in text.parts)
        if not set(tokens.words) - set(SPECIAL):
            raise MisconfigurationException(
                f"{train.source}: no word occurs {self.min_count} times or more (data.min_count): all texts are alike"
            )
        if self.extra_words is not None:
            tokens = tokens.extended(read_words(Path(self.extra_words)))
        return self.makes(**target, tokenizer=tokens.json, num_inputs=len(tokens) + self.ngrams)

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
        """The texts of a split of those that are not divided yet; a class has the same share in every split."""
        if {"val": val, "test": test}.get(split) == 0:
            raise MisconfigurationException(
                f"there is nothing to {'test' if split == 'test' else 'validate'} on: data.{split}_fraction is 0"
            )
        labels = [text.label for text in whole]
        self.target.check(labels, whole.source)
        splits = self.assign_splits(len(labels), val, test, self.target.classes(labels))
        return TextSubset(whole, splits == SPLITS.index(split))

    def read_given(self, text: str) -> Texts:
        """One text without a label."""
        if len(self.columns) > 1:
            raise MisconfigurationException(f"a pair of texts is not one text: give {self._table()}")
        return TextList("--data.text", [Text(text, None, "", {"text": text})])

    def read_predict(self, path: Path) -> Texts:
        """Read texts without labels."""
        if path.is_file() and suffix_of(path) in TABLES:
            return TableTexts(path, self.columns, None, self.encoding, self.separator, self.on_error)
        if len(self.columns) > 1:
            raise MisconfigurationException(f"{path} holds no pairs of texts: give {self._table()}")
        if path.is_dir():
            return TextFiles(path, self.encoding, labelled=False, on_error=self.on_error)
        return TextLines(path, self.encoding)

    def _table(self) -> str:
        return f"--data.predict_path a table with the columns {' and '.join(self.columns)}"

    def read_objects(self, inputs: object) -> Texts:
        """A text, a list of texts, or a table with the column of the texts; of pairs, tuples of two."""
        if len(self.columns) == 1:
            texts, rows = texts_in(inputs, self.columns[0], "text")
            found = zip(texts, rows, strict=True)
            return TextList("the texts", [Text(text, None, f"row {k}", row) for k, (text, row) in enumerate(found, 1)])
        if isinstance(inputs, str):
            return self.read_given(inputs)
        if isinstance(inputs, tuple) and all(isinstance(text, str) for text in inputs):
            inputs = [inputs]
        if is_table(inputs):
            return self._texts(rows_in(inputs, self.columns), None)
        return self._texts([self._row(pair) for pair in listed(inputs, "pairs of texts")], None)

    def read_labelled(self, inputs: object) -> Texts:
        """A table of texts and what is to be predicted, in a file or not; a folder of class folders; pairs of both."""
        if isinstance(inputs, str | Path):
            return self.open_labelled(Path(inputs))
        if is_table(inputs):
            return self._texts(rows_in(inputs, [*self.columns, *self.target.columns]), self.target)
        pairs = listed(inputs, "texts with what is to be predicted of each")
        rows = [self._row(text) | self.target.row(value, f"row {k}") for k, (text, value) in enumerate(pairs, 1)]
        return self._texts(rows, self.target)

    def _row(self, given: object) -> Row:
        texts = [given] if len(self.columns) == 1 else given
        if not isinstance(texts, list | tuple) or len(texts) != len(self.columns):
            raise MisconfigurationException(f"{given!r:.50} is not a text for each of {', '.join(self.columns)}")
        return dict(zip(self.columns, texts, strict=True))

    def _texts(self, rows: list[Row], target: Target | None) -> Texts:
        found = [text_in(row, self.columns, target, "the texts", f"row {k}") for k, row in enumerate(rows, 1)]
        return TextList("the texts", found)

    def open_labelled(self, path: Path) -> Texts:
        """The user's texts with what is to be predicted: a table, or a folder of class folders."""
        if path.is_dir():
            return TextFiles(path, self.encoding, on_error=self.on_error)
        self.target.separator = separator_of(path, self.separator, self.encoding)
        return TableTexts(path, self.columns, self.target, self.encoding, self.separator, self.on_error)

    # ---- batches

    def examples(self, raw: Texts, train: bool) -> TextExamples:
        """Encode a split."""
        facts, number = self.facts, self.target.encoder(self.facts)
        labels: list[object] = []
        rows, faults = [], Faults(self.on_error, raw.source)

        def texts() -> Iterator[tuple[str, ...]]:
            for text in raw:
                if text.label is None:
                    rows.append(text.row)
                else:
                    try:
                        labels.append(number(text.label))
                    except MisconfigurationException as error:
                        faults.add(MisconfigurationException(f"{raw.source}, {text.where}: {error}"))
                        continue
                yield text.parts

        tokens = Tokens(facts.tokenizer)
        buckets = facts.num_inputs - len(tokens)
        ngrams = SubwordNgrams(tokens, buckets) if buckets else None
        first: list[int] = []  # how many tokens are of the first text of a pair
        encoded = MappedRagged(encode(texts(), tokens, ngrams, self.max_length, first))
        self.target.report(raw.source)
        faults.report(len(encoded) + faults.count, "texts")
        empty = int((encoded.lengths == 0).sum())
        if empty:
            rank_zero_warn(f"{raw.source}: {empty} of {len(encoded)} texts are empty")
        if tokens.num_cut and (train or rows):
            self._tell_cut(tokens, len(encoded), raw.source)
        target = None if rows else self.target.tensor(labels, facts)
        subwords = None if ngrams is None else ngrams.rows()
        return TextExamples(encoded, target, subwords, rows, torch.tensor(first) if first else None)

    def _tell_cut(self, tokens: Tokens, total: int, source: str) -> None:
        limit = tokens.limit(self.max_length)
        why = "--data.max_length" if limit == self.max_length else "the most that the pretrained model takes"
        longer = f"{tokens.num_cut} of {total} texts are longer than {limit} tokens"
        rank_zero_warn(f"{source}: {longer}: what follows is not read ({why})")

    def decode(self, inputs: Tensor | SegmentTokens | SubwordTokens, rows: Sequence[int]) -> list[str]:
        """The texts of some rows of a batch's inputs, as far as the tokens tell."""
        chosen = list(rows)
        inputs = inputs.tokens if isinstance(inputs, SegmentTokens) else inputs
        tokens = inputs[chosen] if isinstance(inputs, Tensor) else inputs.subwords[:, 0][inputs.tokens[chosen]]
        return Tokens(self.facts.tokenizer).decode(tokens.tolist())

    # ---- predictions

    def describe(self, index: int) -> Row:
        """The user's own columns, or the text."""
        examples = self.datasets["predict"]
        assert isinstance(examples, TextExamples)
        return examples.rows[index]
