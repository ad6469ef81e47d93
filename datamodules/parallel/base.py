"""What all parallel text has in common: vocabularies, batches, predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.data import Data
from datamodules.files.forms import TABLES
from datamodules.files.objects import is_table, listed, rows_in, texts_in
from datamodules.files.opening import read_lines, suffix_of
from datamodules.pairs import PairExamples, check_limits, text_of
from datamodules.parallel.reading import Files, Pairs, find_files, read_files, read_table
from datamodules.ragged import Ragged
from datamodules.tokens import Tokens
from datamodules.types import BEGIN, END, ParallelFacts, Row, TypedText


class ParallelData(Data[Pairs, ParallelFacts]):
    """Base of sentences with their translations.

    Training pairs with an empty side, or a side of more than ``max_length`` tokens, are left out and counted. In the
    other splits none is left out: a source longer than that is cut (and so is a target, for the perplexity only).

    Args:
        source: Language to translate from: the ending of its files, or its column.
        target: Language to translate into.
        num_tokens: Tokens of the vocabulary, learned by byte-pair encoding on the training pairs.
        joint: Whether both languages share one vocabulary.
        max_length: Tokens of the longest sentence.
        max_tokens: Bound on (sentences) x (longest length) of a batch, per process; ``batch_size`` rules if not given.
        text: One sentence to translate by ``leyden predict``, instead of ``predict_path``.
        batch_size: Pairs in a batch, per process, if there is no ``max_tokens``.
        **kwargs: Root, workers and the like: see ``datamodules.data.Data``. ``predict_path`` is a file of sentences,
            one a line, or a table with the column ``source``.
    """

    makes = ParallelFacts
    str_is_text = True
    changeable = frozenset({"max_length"})

    def __init__(
        self,
        source: str = "en",
        target: str = "de",
        num_tokens: int = 8000,
        joint: bool = True,
        max_length: int = 256,
        max_tokens: int | None = None,
        text: TypedText | None = None,
        batch_size: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, **kwargs)
        if source == target:
            raise MisconfigurationException(f"data.source and data.target are both {source}")
        check_limits(num_tokens, max_length, max_tokens)
        self.source, self.target = source, target
        self.num_tokens, self.joint, self.max_length, self.max_tokens = num_tokens, joint, max_length, max_tokens
        self.text = text
        self.separator: str | None = None

    # ---- facts

    def learn(self, train: Pairs) -> ParallelFacts:
        """Learn the vocabularies."""
        assert train.target is not None
        if self.joint:
            # In the order of the languages' names, so that either direction learns the same.
            sides = (train.source, train.target) if self.source < self.target else (train.target, train.source)
            source = target = self._fit([*sides[0], *sides[1]])
        else:
            source, target = self._fit(train.source), self._fit(train.target)
        return ParallelFacts(
            languages=[self.source, self.target],
            source_tokenizer=source.json,
            target_tokenizer=target.json,
            num_source_tokens=len(source),
            num_target_tokens=len(target),
        )

    def _fit(self, texts: list[str]) -> Tokens:
        """Byte pairs (Sennrich et al. 2016), which can spell any script; the case is kept."""
        return Tokens.learn(texts, "bpe", self.num_tokens, lowercase=False)

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Take the vocabularies from a checkpoint."""
        super().load_state_dict(state_dict)
        if self.facts.languages != [self.source, self.target]:
            source, target = self.facts.languages
            raise MisconfigurationException(
                f"the checkpoint translates {source} to {target}, not {self.source} to {self.target}"
            )

    # ---- reading

    def read_predict(self, path: Path) -> Pairs:
        """Read sentences to translate."""
        if path.is_dir():
            raise MisconfigurationException(
                f"--data.predict_path {path} is a folder; give a file of sentences, one a line, or a table"
            )
        if suffix_of(path) in TABLES:
            return read_table(path, self.source, None, self.encoding, self.separator, self.on_error)
        sentences = list(read_lines(path, self.encoding))
        return Pairs(sentences, rows=[{"source": sentence} for sentence in sentences])

    def read_given(self, text: str) -> Pairs:
        """One sentence."""
        return Pairs([text_of(text, "--data.text")], rows=[{"source": text}])

    def read_objects(self, inputs: object) -> Pairs:
        """A sentence, a list of sentences, or a table with the column ``source``."""
        texts, rows = texts_in(inputs, self.source, "source")
        return Pairs([text_of(text, f"input {k}") for k, text in enumerate(texts)], rows=rows)

    def read_labelled(self, inputs: object) -> Pairs:
        """A table with a column for each language, in a file or not; two files; pairs of sentences."""
        if isinstance(inputs, str | Path):
            files = find_files(Path(inputs), self.source, self.target)
            return self.open_pairs(files["test"] if "test" in files else files["train"])
        if is_table(inputs):
            rows = rows_in(inputs, [self.source, self.target])
            inputs = [(row[self.source], row[self.target]) for row in rows]
        pairs = [[text_of(text, f"pair {k}") for text in pair] for k, pair in enumerate(listed(inputs, "pairs"))]
        return Pairs([source for source, _ in pairs], [target for _, target in pairs])

    def open_pairs(self, files: Files) -> Pairs:
        """The pairs of a table, or of two files."""
        if len(files) == 2:
            return read_files(*files, self.encoding)
        return read_table(files[0], self.source, self.target, self.encoding, self.separator, self.on_error)

    # ---- batches

    def examples(self, raw: Pairs, train: bool) -> PairExamples:
        """Encode a split; leave out of training what is empty or too long."""
        if raw.rows is not None:
            self.rows = raw.rows
        sources = _encode(self.facts.source_tokenizer, raw.source)
        targets = None if raw.target is None else _encode(self.facts.target_tokenizer, raw.target)
        longest = self.max_length - 1  # and the end
        if train and targets is not None:
            sources, targets = self._training_pairs(sources, targets)
        cut = sum(len(ids) > longest for ids in sources)
        if cut:
            rank_zero_warn(f"{cut} of {len(sources)} sources are longer than {self.max_length} tokens and were cut")
        return PairExamples(
            Ragged([*ids[:longest], END] for ids in sources),
            None if targets is None else Ragged([BEGIN, *ids[:longest], END] for ids in targets),
            None if train else raw.target,
        )

    def _training_pairs(
        self, sources: list[list[int]], targets: list[list[int]]
    ) -> tuple[list[list[int]], list[list[int]]]:
        pairs = list(zip(sources, targets, strict=True))
        kept = [pair for pair in pairs if all(0 < len(ids) < self.max_length for ids in pair)]
        if len(kept) < len(pairs):
            empty = sum(not source or not target for source, target in pairs)
            rank_zero_warn(
                f"left out {len(pairs) - len(kept)} of {len(pairs)} training pairs: {empty} with an empty side, "
                f"{len(pairs) - len(kept) - empty} longer than {self.max_length} tokens (max_length)"
            )
        if not kept:
            raise MisconfigurationException("no training pair is left")
        return [source for source, _ in kept], [target for _, target in kept]

    # ---- predictions

    def describe(self, index: int) -> Row:
        """The sentence, or the user's own columns."""
        return self.rows[index]

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write ``predictions.txt``, a translation a line, and a table with what the user knows the sentences by."""
        (folder / "predictions.txt").write_text("".join(f"{row['translation']}\n" for row in rows), encoding="utf-8")
        return super().write(rows, folder)


def _encode(tokenizer: str, texts: list[str]) -> list[list[int]]:
    # Somebody may have typed "<eos>": that ends nothing, it is left out. Nothing but blanks is nothing.
    texts = ["" if text.isspace() else text for text in texts]
    return [[index for index in ids if index > END] for ids in Tokens(tokenizer).encode(texts)]
