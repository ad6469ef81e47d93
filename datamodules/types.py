"""What crosses from data to task: the facts and the batches of every kind, and the numbers that mark positions."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, NewType, Self, get_type_hints

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.plain import fits

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3  # token ids, of words and characters too
IGNORE = -100  # target of a position that is none

Row = dict[str, Any]  # by column: cells of a table, or what was predicted
Array = np.ndarray
TypedText = NewType("TypedText", str)  # an option that is taken word for word, `null` too


# ---- facts


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What is learned from the training data, travels in the checkpoint and is never learned anew.

    A subclass for each kind of data adds its fields: numbers, strings, tensors, and lists and dictionaries of these.

    Attributes:
        fingerprint: Of the user's files that the splits were drawn from; empty if there are none.

    Raises:
        MisconfigurationException: If a value is anything else, which a checkpoint could not hold.
    """

    what: ClassVar[str] = "facts"  # for messages
    fingerprint: str = ""

    def __post_init__(self) -> None:
        for name, value in self.state().items():
            wrong = _not_plain(value)
            if wrong is not None:
                raise MisconfigurationException(
                    f"{type(self).__name__}.{name} holds a {type(wrong).__name__}, which no checkpoint can hold; "
                    "facts are numbers, strings, tensors, and lists and dictionaries of these"
                )

    def summary(self) -> str:
        """What a model of them answers with, in a line."""
        return self.what

    def state(self) -> dict[str, object]:
        """The fields by name, for the checkpoint."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make the facts of what ``state`` returned.

        Raises:
            MisconfigurationException: If a field is missing or of another form, or there are others.
        """
        known = {one.name for one in fields(cls)}
        later = {one.name for one in fields(cls) if one.default_factory is not MISSING}  # older runs lack them
        odd = known ^ (state.keys() | later)
        if odd:
            raise MisconfigurationException(
                f"the checkpoint was trained on another kind of data: "
                f"it does not hold the facts of {cls.__name__} ({', '.join(sorted(odd))})"
            )
        forms = get_type_hints(cls)
        for name, value in state.items():
            if not fits(value, forms[name]):
                raise MisconfigurationException(f"the checkpoint is damaged: `{name}` is not a fact of {cls.__name__}")
        return cls(**state)


def _not_plain(value: object) -> object:
    """The first value that is not plain, None if there is none."""
    if isinstance(value, list | tuple):
        return next((wrong for wrong in map(_not_plain, value) if wrong is not None), None)
    if type(value) is dict:
        return _not_plain([*value.keys(), *value.values()])
    return None if value is None or isinstance(value, Tensor) or type(value) in (bool, int, float, str) else value


@dataclass(frozen=True, kw_only=True, eq=False)
class InputFacts(Facts):
    """Facts of examples that one network takes: what it is made from, beside what it is to predict.

    Attributes:
        num_inputs: Channels of an image, inputs of a table row, rows of a text's embedding.
    """

    num_inputs: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassFacts(InputFacts):
    """Facts of examples of one class each.

    Attributes:
        classes: Names of the classes, in the order of their indices.
        class_counts: Training examples of each class.
    """

    what = "classes"
    classes: list[str]
    class_counts: list[int]

    def summary(self) -> str:
        """The classes."""
        return f"{len(self.classes)} classes: {some(self.classes)}"


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelFacts(InputFacts):
    """Facts of examples of several labels each, or of none.

    Attributes:
        labels: Names of the labels, in the order of their indices.
        label_counts: Training examples with each label.
        num_examples: Training examples.
        between: What stands between the labels of an example where they are written down; empty for a JSON list.
    """

    what = "several labels an example"
    labels: list[str]
    label_counts: list[int]
    num_examples: int
    between: str

    def summary(self) -> str:
        """The labels."""
        return f"any of {len(self.labels)} labels: {some(self.labels)}"


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberFacts(InputFacts):
    """Facts of examples with numbers to predict.

    Attributes:
        targets: Names of the targets.
        target_mean: Mean of each target in training.
        target_scale: Standard deviation of each target in training.
    """

    what = "numbers to predict"
    targets: list[str]
    target_mean: list[float]
    target_scale: list[float]

    def summary(self) -> str:
        """The targets."""
        return f"numbers to predict: {some(self.targets)}"


@dataclass(frozen=True, kw_only=True, eq=False)
class WrittenNumberFacts(NumberFacts):
    """Facts of numbers to predict that are written in cells of a table.

    Attributes:
        target_formats: How each target is written: decimal sign, sign between thousands, unit.
    """

    target_formats: list[list[str]]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFacts(InputFacts):
    """Facts of images.

    Attributes:
        mean: Mean of each channel, pixels scaled to 0-1.
        std: Standard deviation of each channel.
        preset: What the images of pretrained weights were like (``crop``, ``resize``, ``interpolation``); or nothing.
        size: Height and width of the training images if all have the same without any transform; or nothing.
    """

    what = "images"
    mean: list[float]
    std: list[float]
    preset: dict[str, Any]
    size: list[int]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageClassFacts(ClassFacts, ImageFacts):
    """Facts of images of one class each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageLabelFacts(LabelFacts, ImageFacts):
    """Facts of images with several labels each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageNumberFacts(WrittenNumberFacts, ImageFacts):
    """Facts of images with numbers to predict."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextFacts(InputFacts):
    """Facts of texts.

    Attributes:
        tokenizer: The fitted tokenizer as JSON.
    """

    what = "texts"
    tokenizer: str


@dataclass(frozen=True, kw_only=True, eq=False)
class TextClassFacts(ClassFacts, TextFacts):
    """Facts of texts of one class each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextLabelFacts(LabelFacts, TextFacts):
    """Facts of texts with several labels each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextNumberFacts(WrittenNumberFacts, TextFacts):
    """Facts of texts with numbers to predict."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TableFacts(InputFacts):
    """Facts of tables.

    Attributes:
        columns: What was learned of each column that is an input (``datamodules.tables.columns``).
        input_columns: For each input of the network, the number of the column that it comes from.
        target_columns: How each column to predict is written.
        num_rows: Rows of the whole table.
    """

    what = "a table"
    columns: list[dict[str, Any]]
    input_columns: list[int]
    target_columns: list[dict[str, Any]]
    num_rows: int


@dataclass(frozen=True, kw_only=True, eq=False)
class TableClassFacts(ClassFacts, TableFacts):
    """Facts of tables with a class to predict."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TableLabelFacts(LabelFacts, TableFacts):
    """Facts of tables with several labels a row."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TableNumberFacts(NumberFacts, TableFacts):
    """Facts of tables with numbers to predict."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TaggingFacts(Facts):
    """Facts of tagged sentences.

    Attributes:
        tags: All tags.
        scheme: ``IOB1``, ``IOB2`` or ``BIOES``; empty if the tags mark no chunks.
        words: Words in the form in which they are looked up, the most frequent first; their ids start at 2.
        word_counts: How often each occurs in training.
        chars: Characters; their ids start at 2.
        shapes: Word shapes; their ids start at 2.
        tokenizer: A pretrained tokenizer as JSON; empty for batches without word pieces.
    """

    what = "tagged sentences"
    tags: list[str]
    scheme: str
    words: list[str]
    word_counts: list[int]
    chars: list[str]
    shapes: list[str]
    tokenizer: str

    def summary(self) -> str:
        """The tags."""
        return f"{len(self.tags)} tags: {some(self.tags)}"

    @property
    def num_words(self) -> int:
        """Number of words, padding and unknown included."""
        return len(self.words) + 2

    @property
    def num_chars(self) -> int:
        """Number of characters, padding and unknown included."""
        return len(self.chars) + 2

    @property
    def num_shapes(self) -> int:
        """Number of word shapes, padding and unknown included."""
        return len(self.shapes) + 2


@dataclass(frozen=True, kw_only=True, eq=False)
class CorpusFacts(Facts):
    """Facts of running text.

    Attributes:
        words: Words in order of frequency; the first, empty, is padding.
        word_counts: How often each occurs.
    """

    what = "running text"
    words: list[str]
    word_counts: list[int]

    def summary(self) -> str:
        """Number of vectors."""
        return f"vectors of {len(self.words) - 1:,} words"


@dataclass(frozen=True, kw_only=True, eq=False)
class PairFacts(Facts):
    """Facts of sequences with their targets: translations, replies.

    Attributes:
        source_tokenizer: As JSON.
        target_tokenizer: As JSON.
        num_source_tokens: Size of the source vocabulary.
        num_target_tokens: Size of the target vocabulary.
    """

    what = "pairs of sequences"
    source_tokenizer: str
    target_tokenizer: str
    num_source_tokens: int
    num_target_tokens: int

    def summary(self) -> str:
        """Size of the vocabulary."""
        return f"texts of {self.num_target_tokens:,} tokens"


@dataclass(frozen=True, kw_only=True, eq=False)
class ParallelFacts(PairFacts):
    """Facts of parallel text.

    Attributes:
        languages: Source and target.
    """

    languages: list[str]

    def summary(self) -> str:
        """The languages."""
        return " to ".join(self.languages)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChoiceFacts(Facts):
    """Facts of dialogues whose replies are chosen among candidates.

    Attributes:
        tokenizer: As JSON.
        num_tokens: Size of the vocabulary.
        replies: Replies of the training split that predictions choose from.
        reply_tokens: Token ids of each.
    """

    what = "candidates to choose replies from (--data.candidates 10)"
    tokenizer: str
    num_tokens: int
    replies: list[str]
    reply_tokens: list[list[int]]

    def summary(self) -> str:
        """Number of replies."""
        return f"{len(self.replies):,} replies to choose from"


@dataclass(frozen=True, kw_only=True, eq=False)
class SeriesFacts(Facts):
    """Facts of series in time; ``S`` series, ``T`` targets, ``P`` past and ``K`` known covariates.

    Attributes:
        time: Column of times.
        targets: Columns to forecast.
        past: Covariates known until now.
        known: Covariates known for the future.
        calendar: Parts of the time that are known covariates too, two features each.
        series: Names of the series.
        frequency: Step, as pandas writes it.
        date_order: ``dmy``, ``mdy`` or ``ymd`` where the dates do not say themselves which number is what.
        zone: Zone or offset of the times; empty if the file says none.
        decimal: Decimal sign; empty if the numbers have none.
        units: Currency, percent sign or word in the cells of those columns that have one.
        season: Steps of a season.
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        scale: ``standard``, ``log`` or ``none``.
        mean: ``(S, T + P)``, in double precision, as all below.
        std: ``(S, T + P)``.
        known_mean: ``(K)``.
        known_std: ``(K)``.
        seasonal_error: Mean error of the seasonal naive forecast in training ``(S, T)``, in the units of the file; 0 if
            it is exact.
        usual_range: Least and greatest training values ``(S, 2, T)``.
    """

    what = "series in time"
    time: str
    targets: list[str]
    past: list[str]
    known: list[str]
    calendar: list[str]
    series: list[str]
    frequency: str
    date_order: str
    zone: str
    decimal: str
    units: dict[str, str] = field(default_factory=dict)
    season: int
    context: int
    horizon: int
    scale: str
    mean: Tensor
    std: Tensor
    known_mean: Tensor
    known_std: Tensor
    seasonal_error: Tensor
    usual_range: Tensor

    def summary(self) -> str:
        """Targets, horizon and context."""
        steps = f"{self.horizon} steps ({self.frequency}) from the last {self.context}"
        return f"the next {steps} of {some(self.targets)}"

    @property
    def num_known(self) -> int:
        """Number of known covariates, calendar features among them."""
        return len(self.known) + 2 * len(self.calendar)


def some(names: list[str], most: int = 10) -> str:
    """The first of some names."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


# ---- batches


class Batch(NamedTuple):
    """Inputs and what is to be predicted of them.

    Attributes:
        inputs: Images ``(batch, channels, height, width)``, table rows ``(batch, inputs)``, token ids
            ``(batch, length)``, or one of the tuples below.
        target: Classes ``(batch)``, labels ``(batch, labels)`` of 0 and 1, numbers ``(batch, targets)``, tags
            ``(batch, length)``, steps ``(batch, horizon, targets)``; None for predictions.
    """

    inputs: Any
    target: Tensor | None


class SegmentTokens(NamedTuple):
    """Pairs of texts as a pretrained encoder takes them.

    Attributes:
        tokens: Token ids ``(batch, length)``, 0 for padding.
        segments: Which of the two texts each token is of, 0 or 1 ``(batch, length)``.
    """

    tokens: Tensor
    segments: Tensor


class SubwordTokens(NamedTuple):
    """Texts whose words are spelled by their character n-grams. Each distinct word of the batch is spelled out once.

    Attributes:
        tokens: Row of ``subwords`` for each word ``(batch, length)``; 0 is padding.
        subwords: Rows of the embedding that make up a word ``(distinct words, 1 + n-grams)``, its own one first.
    """

    tokens: Tensor
    subwords: Tensor


class WordTokens(NamedTuple):
    """Sentences in words. Each distinct word of the batch is spelled out once; 0 is padding everywhere.

    Attributes:
        words: Ids of the words ``(batch, length)``.
        shapes: Ids of the shapes ``(batch, length)``.
        spelled: Row of ``spelling`` that spells the word ``(batch, length)``.
        spelling: Ids of the characters ``(distinct words, characters)``.
    """

    words: Tensor
    shapes: Tensor
    spelled: Tensor
    spelling: Tensor


class PieceTokens(NamedTuple):
    """Sentences in words, as ``WordTokens``, and in word pieces.

    Attributes:
        words: ``(batch, length)``.
        shapes: ``(batch, length)``.
        spelled: ``(batch, length)``.
        spelling: ``(distinct words, characters)``.
        tokens: ``(windows, pieces)``; a sentence longer than the encoder can take lies in several windows.
        first: Where in ``tokens``, flattened, the first piece of each word is ``(batch, length)``.
    """

    words: Tensor
    shapes: Tensor
    spelled: Tensor
    spelling: Tensor
    tokens: Tensor
    first: Tensor


class PairBatch(NamedTuple):
    """Sequences and their targets.

    Attributes:
        source: Token ids ``(batch, source length)``, each ended by ``END``.
        target: Token ids ``(batch, target length)`` between ``BEGIN`` and ``END``; None for predictions.
        references: The targets as they were written; None in training.
    """

    source: Tensor
    target: Tensor | None
    references: list[str] | None


class ChoiceBatch(NamedTuple):
    """Contexts, and the replies among which theirs is to be found.

    Attributes:
        contexts: Token ids ``(batch, context length)``.
        replies: Token ids ``(replies, reply length)``; None for predictions.
        candidates: Rows of the replies, the true one first ``(batch, candidates)``; None in training, where each
            context has its own reply, in the same row.
    """

    contexts: Tensor
    replies: Tensor | None
    candidates: Tensor | None


class Window(NamedTuple):
    """What a forecast is made from.

    Attributes:
        history: Scaled targets and past covariates ``(batch, context, targets + past)``.
        known: Covariates known for the future ``(batch, context + horizon, known)``.
        series: Number of the series ``(batch)``.
    """

    history: Tensor
    known: Tensor
    series: Tensor


class Questions(NamedTuple):
    """What word vectors are tested on, as word ids; only what has no unknown word.

    Attributes:
        similarity: For each list its name, pairs ``(pairs, 2)`` and what people said ``(pairs)``.
        analogies: ``(questions, 4)``: a is to b as c is to d.
    """

    similarity: list[tuple[str, Tensor, Tensor]]
    analogies: Tensor
