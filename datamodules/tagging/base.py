"""What all data of tagged sentences have in common: scheme, tags, vocabularies, predictions."""

from abc import ABC
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.data import Data, check_least
from datamodules.files.faults import Faults
from datamodules.files.objects import GIVEN, is_table, listed, rows_in
from datamodules.files.rows import read_rows
from datamodules.own_columns import joined
from datamodules.pairs import cell_of
from datamodules.tagging.conll import Sentence
from datamodules.tagging.examples import PieceSentences, WordSentences, normal, vocabulary
from datamodules.tagging.reading import ReadOptions, read_tagged, read_untagged, sentences_in
from datamodules.tagging.schemes import Scheme, conforming, encode, find_scheme, source, spans
from datamodules.tagging.token_tables import WORD, find_column
from datamodules.tagging.writing import Answer, cells_by_row, write_columns, write_table
from datamodules.targets import composed, warn_of_alike
from datamodules.tokens import Tokens
from datamodules.types import Row, TaggingFacts
from datamodules.vectors import read_words

if TYPE_CHECKING:
    from pandas import DataFrame

CHARACTERS = 0.8  # share of words of a single character from which on words are characters, as in Chinese


class Tagging(Data[list[Sentence], TaggingFacts], ABC):
    """Base of the datamodules of tagged sentences.

    Args:
        lower: Look words up in lower case and with all digits the same.
        chunks: The scheme that chunks are learned in, whatever the scheme of the files.
        scheme: Scheme of the files; ``auto`` finds the one that fits best, and refuses tags that break it too often;
            ``none`` takes tags as they are, also if they look as if they marked chunks. A scheme given here reads
            ill-formed chunks as the conlleval script does.
        tokenizer: Name or folder of a pretrained tokenizer of Hugging Face: batches are then in its word pieces.
        max_pieces: Longest window of word pieces, with a tokenizer.
        extra_words: File of word vectors, whose words join the vocabulary.
        **kwargs: Batch size, workers and the like: see ``datamodules.data.Data``.
    """

    makes = TaggingFacts
    str_is_text = True
    changeable = frozenset({"scheme", "max_pieces"})

    def __init__(
        self,
        lower: bool = True,
        chunks: Literal["IOB2", "BIOES"] = "IOB2",
        scheme: Scheme = "auto",
        tokenizer: str | None = None,
        max_pieces: int = 512,
        extra_words: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_least(1, max_pieces=max_pieces)
        self.lower, self.chunks, self.scheme = lower, chunks, scheme
        self.tokenizer, self.max_pieces, self.extra_words = tokenizer, max_pieces, extra_words
        self.options = ReadOptions(encoding=self.encoding, on_error=self.on_error)
        self.predicted: list[Sentence] = []
        self.predict_files: list[Path] = []  # files that they are from
        self.rows: list[Row] | None = None  # or the rows of a table in memory

    def scheme_of(self, sentences: list[Sentence]) -> str:
        """The scheme of a file's tags, empty if they mark no chunks: what was told, is known, or fits best."""
        if self.scheme != "auto":
            return "" if self.scheme == "none" else self.scheme
        return self.facts.scheme if self.known else find_scheme(sentences)

    def conforming(self, sentences: list[Sentence], scheme: str) -> list[Sentence]:
        """The sentences whose tags can be read in a scheme, well-formed."""
        faults = Faults(self.on_error, source(sentences))
        return conforming(sentences, scheme, self.scheme != "auto", faults) if scheme else sentences

    def learn(self, train: list[Sentence]) -> TaggingFacts:
        """Find the scheme, the tags and the vocabularies."""
        scheme = self.scheme_of(train)
        train = self.conforming(train, scheme)
        counts = Counter(tag for sentence in train for tag in sentence.tags)
        tags = [tag for tag, _ in counts.most_common()]
        if scheme:
            kinds = sorted({kind for sentence in train for *_, kind in spans(sentence.tags)})
            tags = ["O", *(f"{mark}-{kind}" for kind in kinds for mark in ("BI" if self.chunks == "IOB2" else "BIES"))]
            warn_of_alike(kinds, "kinds of chunks", source(train))
        else:
            warn_of_alike(sorted(tags), "tags", source(train))
        words, chars, shapes = vocabulary(train, self.lower)
        if self.extra_words is not None:
            for word in read_words(Path(self.extra_words)):
                words.setdefault(normal(word, self.lower), 0)
        return TaggingFacts(
            tags=tags,
            scheme=scheme,
            words=list(words),
            word_counts=list(words.values()),
            chars=chars,
            shapes=shapes,
            tokenizer="" if self.tokenizer is None else Tokens.pretrained(self.tokenizer).json,
        )

    def examples(self, raw: list[Sentence], train: bool) -> WordSentences:
        """Convert the chunks, and number words, characters and tags."""
        known, chunks = {*self.facts.tags}, bool(self.facts.scheme) and any(sentence.tags for sentence in raw)
        raw = self.conforming(raw, self.facts.scheme) if chunks else raw
        kinds = {tag[2:] for tag in known}
        counts = Counter(tag for sentence in raw for tag in sentence.tags)
        unseen = [tag for tag in counts if (tag[2:] not in kinds if chunks else tag not in known)]
        if unseen:
            names = ", ".join(f"{tag} ({counts[tag]}x)" for tag in sorted(unseen, key=lambda tag: (-counts[tag], tag)))
            rank_zero_warn(f"{source(raw)}: tags that training did not have count as errors: {names}")
        if chunks:
            scheme = "BIOES" if any(tag[:2] == "S-" for tag in known) else "IOB2"
            raw = [s._replace(tags=encode(spans(s.tags), len(s.tags), scheme)) for s in raw]
        if self.facts.tokenizer:
            return PieceSentences(raw, self.facts, self.lower, self.max_pieces)
        return WordSentences(raw, self.facts, self.lower)

    # ---- predictions

    def read_predict(self, path: Path) -> list[Sentence]:
        """Sentences of a file, or of all files of a folder, without their tags."""
        self.rows = None
        files = [path] if path.is_file() else sorted(path.iterdir())
        self.predict_files = [file for file in files if file.is_file() and file.name[0] != "."]
        if not self.predict_files:
            raise MisconfigurationException(f"{path} holds no file of sentences")
        self.predicted = [s for p in self.predict_files for s in read_untagged(p, self.options, self.by_character)]
        return self.predicted

    @property
    def by_character(self) -> bool:
        """Whether the words of a text are its characters, as most were in training."""
        counts = zip(self.facts.words, self.facts.word_counts, strict=True)
        return sum(n for word, n in counts if len(word) == 1) > CHARACTERS * sum(self.facts.word_counts)

    def read_objects(self, inputs: object) -> list[Sentence]:
        """A sentence, as a text or a list of words in a list; a list of sentences; a table with a sentence a row."""
        self.predict_files, self.rows = [], None
        if is_table(inputs):
            self.rows = rows_in(inputs)
            word = find_column(Path(GIVEN), list(self.rows[0]), "word", self.options.word, WORD)
            inputs = [cell_of(row, word, f"{GIVEN}, row {k}") for k, row in enumerate(self.rows, 1)]
        self.predicted = sentences_in([inputs] if isinstance(inputs, str) else inputs, self.by_character)
        return self.predicted

    def read_labelled(self, inputs: object) -> list[Sentence]:
        """A file of tagged sentences, or pairs of words and tags."""
        if isinstance(inputs, str | Path):
            return read_tagged(Path(inputs), self.options)
        pairs = listed(inputs, "pairs of words and tags")
        found = [
            Sentence(list(words), [composed(str(tag)) for tag in tags], f"sentence {k}")
            for k, (words, tags) in enumerate(pairs)
        ]
        odd = next((sentence for sentence in found if len(sentence.words) != len(sentence.tags)), None)
        if odd is not None:
            raise MisconfigurationException(f"{odd.place} has {len(odd.words)} words, but {len(odd.tags)} tags")
        return found

    def read_given(self, text: str) -> list[Sentence]:
        """The one sentence that a text is."""
        self.predict_files, self.rows, self.predicted = [], None, [Sentence(text.split(), [], "text:1")]
        return self.predicted

    def describe(self, index: int) -> Row:
        """Number and words of the sentence."""
        return {"index": index, "words": self.predicted[index].words}

    def frame(self, rows: Sequence[Row]) -> "DataFrame":
        """A sentence a row, with lists of tags and probabilities; of a file with a word a row, these."""
        import pandas as pd

        answers = self._answers(rows)
        own = self.rows
        if self._are_rows(answers):
            skip = Faults("skip", str(self.predict_files[0]))  # what there is to say of them has been said
            own = [row for _, row in read_rows(self.predict_files[0], self.options.encoding, faults=skip)]
            cells = cells_by_row(answers, len(own))
        else:
            own = [{"words": answer.sentence.words} for answer in answers] if own is None else own
            cells = [(answer.tags, answer.probabilities) for answer in answers]
        rows_of = zip(own, cells, strict=True)
        return pd.DataFrame([joined(row, {"prediction": tag, "probability": share}) for row, (tag, share) in rows_of])

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write what was predicted: the rows of a table with further columns, other sentences as columns."""
        answers = self._answers(rows)
        if self._are_rows(answers):
            return write_table(answers, self.predict_files[0], folder, self.options)
        return write_columns(answers, folder / "predictions.conll")

    def _are_rows(self, answers: Sequence[Answer]) -> bool:
        return len(self.predict_files) == 1 and bool(answers) and bool(answers[0].sentence.rows)

    def _answers(self, rows: Sequence[Row]) -> list[Answer]:
        if self.facts.scheme:
            scheme = "BIOES" if self.facts.scheme == "BIOES" else "IOB2"
            rows = [{**row, "tags": encode(spans(row["tags"]), len(row["tags"]), scheme)} for row in rows]
        return [
            Answer(self.predicted[row["index"]], row["tags"], [round(value, 4) for value in row["probabilities"]])
            for row in rows
        ]
