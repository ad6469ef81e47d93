"""What all data of tagged sentences have in common: scheme, tags, vocabularies, predictions."""

from abc import ABC
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.data import Data, Row
from datamodules.tagging import conll
from datamodules.tagging.conll import Sentence
from datamodules.tagging.examples import Facts, PieceSentences, WordSentences, normal, vocabulary
from datamodules.tokens import Tokens

Scheme = Literal["auto", "none", "IOB1", "IOB2", "BIOES"]


class Tagging(Data[list[Sentence]], ABC):
    """Base of the datamodules of tagged sentences.

    Facts: ``tags``; the ``scheme`` of the files (``IOB1``, ``IOB2``, ``BIOES``, empty if the tags mark no chunks);
    ``words`` with their counts, ``chars`` and ``shapes`` of the training split and their numbers; with a
    ``tokenizer``, that as JSON.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Sentences in a batch, per process. They are of similar length.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Sentences without tags: CoNLL-U, columns, or text with a sentence a line.
        lower: Look words up in lower case and with all digits the same.
        chunks: The scheme that chunks are learned in, whatever the scheme of the files.
        scheme: Scheme of the files; ``auto`` finds out and refuses tags that mix schemes. A scheme given here reads
            ill-formed chunks as the conlleval script does.
        tokenizer: Name or folder of a pretrained tokenizer of Hugging Face: batches are then in its word pieces.
        max_pieces: Longest window of word pieces, with a tokenizer.
    """

    facts: ClassVar[tuple[str, ...]] = (
        "tags", "scheme", "words", "word_counts", "chars", "shapes", "num_words", "num_chars", "num_shapes",
        "tokenizer",
    )  # fmt: skip

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        lower: bool = True,
        chunks: Literal["IOB2", "BIOES"] = "IOB2",
        scheme: Scheme = "auto",
        tokenizer: str | None = None,
        max_pieces: int = 512,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        self.lower, self.chunks, self.given_scheme = lower, chunks, scheme
        self.tokenizer_name, self.max_pieces = tokenizer, max_pieces
        self.tokenizer = ""
        self.predicted: list[Sentence] = []

    def learn(self, train: list[Sentence]) -> None:
        """Find the scheme, the tags and the vocabularies."""
        self.scheme = {"auto": conll.find_scheme, "none": lambda _: ""}.get(
            self.given_scheme, lambda _: self.given_scheme
        )(train)
        self.tags = self._tag_set(train)
        counts, self.chars, self.shapes = vocabulary(train, self.lower)
        self.words, self.word_counts = list(counts), list(counts.values())
        # Two more of each: padding and unknown.
        self.num_words, self.num_chars, self.num_shapes = (len(x) + 2 for x in (self.words, self.chars, self.shapes))
        if self.tokenizer_name is not None:
            self.tokenizer = Tokens.pretrained(self.tokenizer_name).json

    def add_words(self, words: Sequence[str]) -> None:
        """Add words to the vocabulary, in the form in which words are looked up."""
        known = set(self.words)
        new = [word for word in dict.fromkeys(normal(word, self.lower) for word in words) if word not in known]
        self.words, self.word_counts = self.words + new, self.word_counts + [0] * len(new)
        self.num_words += len(new)

    def _tag_set(self, train: list[Sentence]) -> list[str]:
        counts = Counter(tag for sentence in train for tag in sentence.tags)
        if not self.scheme:
            return [tag for tag, _ in counts.most_common()]
        kinds = sorted({kind for sentence in train for *_, kind in conll.spans(sentence.tags)})
        return ["O", *(f"{prefix}-{kind}" for kind in kinds for prefix in ("BI" if self.chunks == "IOB2" else "BIES"))]

    def examples(self, raw: list[Sentence], train: bool) -> WordSentences:
        """Convert the chunks, and number words, characters and tags."""
        if self.scheme and raw[0].tags:
            fault = "" if self.given_scheme != "auto" else conll.find_fault(raw, self.scheme)
            if fault:
                raise MisconfigurationException(fault)
            raw = [s._replace(tags=conll.encode(conll.spans(s.tags), len(s.tags), self.chunks)) for s in raw]
        unseen = Counter(tag for sentence in raw for tag in sentence.tags) - Counter(dict.fromkeys(self.tags, 10**9))
        if unseen:
            names = ", ".join(f"{tag} ({count}x)" for tag, count in unseen.most_common())
            rank_zero_warn(f"{raw[0].place}: tags that training did not have count as errors: {names}")
        kind = PieceSentences if self.tokenizer else WordSentences
        known = (self.tags, self.words, self.chars, self.shapes, self.lower, self.tokenizer, self.max_pieces)
        return kind(raw, Facts(*known))

    def read_predict(self, path: Path) -> list[Sentence]:
        """Sentences of a file, or of all files of a folder, without their tags."""
        paths = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file())
        self.predicted = [sentence for p in paths for sentence in self.read_untagged(p)]
        return self.predicted

    def read_untagged(self, path: Path) -> list[Sentence]:
        """Sentences of a file without their tags."""
        return conll.read_untagged(path)

    def describe(self, index: int) -> Row:
        """The words of the sentence."""
        return {"words": self.predicted[index].words}

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write ``predictions.conll``: word, tag and its probability, separated by tabs; chunks in IOB2 or BIOES."""
        path = folder / "predictions.conll"
        scheme = "BIOES" if self.scheme == "BIOES" else "IOB2"
        with path.open("w", newline="\n", encoding="utf-8") as file:
            for row in rows:
                tags = row["tags"]
                if self.scheme:
                    tags = conll.encode(conll.spans(tags), len(tags), scheme)
                for word, tag, probability in zip(row["words"], tags, row["probabilities"], strict=True):
                    file.write(f"{word}\t{tag}\t{probability:.4f}\n")
                file.write("\n")
        return path
