"""Tokenizers: text to token ids and back. The fitted one is a JSON string, which travels in the checkpoint."""

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import BEGIN, END, PAD, UNKNOWN

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

__all__ = ["BEGIN", "END", "PAD", "SPECIAL", "UNKNOWN", "Kind", "Tokens", "find_words", "local", "num_unspaced"]

Kind = Literal["words", "bpe", "wordpiece"]

LETTERS = 64  # in a token, at most on average: what is beyond need not be tokenized
BLANK = "\u2423"  # how blanks are written where they can be seen
SPECIAL = ["<pad>", "<unk>", "<bos>", "<eos>"]  # of tokenizers fitted here; pretrained ones have their own

# Thai, Lao, Burmese, Khmer, kana and Chinese characters: no spaces tell their words apart, so each of them is one.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)
# A word with its hyphens and apostrophes, a clitic ('s), or a run of punctuation; text that is tokenized stays so.
WORD = f"[{UNSPACED}]|[^\\W{UNSPACED}]+(?:['\u2019\\-][^\\W{UNSPACED}]+)*|['\u2019][^\\W{UNSPACED}]+|[^\\w\\s]+"
# The same without the last two, for Python, to which marks like the vowels of Devanagari are no parts of words.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff"
_LETTER = f"(?:[^\\W{UNSPACED}]|[{_MARKS}])"
_WORD = re.compile(f"[{UNSPACED}]|{_LETTER}+(?:['\u2019-]{_LETTER}+)*")
_ASCII_WORD = re.compile(r"\w+(?:['-]\w+)*")
_UNSPACED = re.compile(f"[{UNSPACED}]")


class Tokens:
    """A fitted tokenizer.

    Id 0 is padding, whatever the tokenizer: if a pretrained model pads with another id, the two are exchanged here
    (and back in ``modules.nets.pretrained``). A tokenizer fitted here has ``UNKNOWN``, ``BEGIN`` and ``END`` at 1, 2
    and 3; it does not add the last two by itself, while a pretrained one adds what its model was trained with.

    Args:
        text: The tokenizer as JSON, as ``json`` returns it.

    Attributes:
        num_cut: How many of the texts, or pairs of texts, that it has encoded were longer than it was let read.
    """

    num_cut = 0

    def __init__(self, text: str) -> None:
        self.json = text

    @classmethod
    def learn(
        cls,
        texts: Iterable[str],
        kind: Kind = "words",
        size: int = 30000,
        min_count: int = 1,
        lowercase: bool = True,
        special: Sequence[str] = (),
    ) -> "Tokens":
        """Fit a tokenizer on texts.

        Args:
            texts: The training texts.
            kind: ``words`` (words and punctuation, in order of frequency), ``bpe`` (byte pairs: Sennrich et al. 2016;
                of bytes, so nothing is unknown) or ``wordpiece`` (Schuster & Nakajima 2012).
            size: Most tokens to keep.
            min_count: A word, or a pair to merge, must occur so often.
            lowercase: Whether to forget the case.
            special: Further special tokens, from id 4 on: each is one token wherever it stands in a text.
        """
        from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        fixed = [*SPECIAL, *special]
        settings: dict[str, Any] = {"vocab_size": size, "min_frequency": min_count, "special_tokens": fixed}
        if kind == "words":
            tokenizer = Tokenizer(models.WordLevel(unk_token=SPECIAL[UNKNOWN]))
            tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
            trainer: Any = trainers.WordLevelTrainer(show_progress=False, **settings)
        elif kind == "bpe":
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
            tokenizer.decoder = decoders.ByteLevel()
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            trainer = trainers.BpeTrainer(show_progress=False, initial_alphabet=alphabet, **settings)
        else:
            tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL[UNKNOWN]))
            apart = pre_tokenizers.Split(Regex(f"[{UNSPACED}]"), behavior="isolated")
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence([apart, pre_tokenizers.BertPreTokenizer()])
            tokenizer.decoder = decoders.WordPiece(prefix="##")
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), *([normalizers.Lowercase()] * lowercase)])
        if kind == "wordpiece":
            # The trainer numbers the letters inside words in no fixed order, and breaks ties by these numbers; as
            # special tokens they have an order.
            texts = list(texts)
            letters = sorted({c for text in texts for c in tokenizer.normalizer.normalize_str(text) if not c.isspace()})
            settings["special_tokens"] = fixed + ["##" + letter for letter in letters]
            trainer = trainers.WordPieceTrainer(show_progress=False, **settings)
        tokenizer.train_from_iterator(texts, trainer)
        fitted = json.loads(tokenizer.to_str())
        fitted["added_tokens"] = fitted["added_tokens"][: len(fixed)]
        return cls(json.dumps(fitted, ensure_ascii=False))

    def extended(self, words: Iterable[str]) -> "Tokens":
        """The same word-level tokenizer with more words, after those it has; what it would take apart is none."""
        fitted, tokenizer = json.loads(self.json), self._fitted[0]
        ids: dict[str, int] = fitted["model"]["vocab"]
        for word in map(self.normalize, words):
            if word not in ids and tokenizer.pre_tokenizer.pre_tokenize_str(word) == [(word, (0, len(word)))]:
                ids[word] = len(ids)
        return Tokens(json.dumps(fitted, ensure_ascii=False))

    def normalize(self, text: str) -> str:
        """The form in which words are looked up: composed, and in lower case if the tokenizer forgets the case."""
        normalizer = self._fitted[0].normalizer
        return text if normalizer is None else str(normalizer.normalize_str(_valid(text)))

    @classmethod
    def pretrained(cls, name: str) -> "Tokens":
        """The tokenizer of a pretrained model: a folder, ``$LEYDEN_DATA/<name>``, or a name on the Hugging Face hub."""
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(local(name), use_fast=True)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise MisconfigurationException(
                f"there is no tokenizer of a pretrained model at {name}: {reason} (without a download: put the model's "
                f"folder at $LEYDEN_DATA/{name}; or without that model: --data.tokenizer words)"
            ) from error
        backend = tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        fitted = json.loads(backend.to_str())
        longest = tokenizer.model_max_length
        fitted["leyden"] = {
            "pad": tokenizer.pad_token_id or 0,
            "max_length": longest if longest < 1_000_000 else None,  # transformers writes 1e30 for "any"
        }
        return cls(json.dumps(fitted))

    @cached_property
    def _fitted(self) -> tuple["Tokenizer", int, int | None]:
        from tokenizers import Tokenizer

        fitted = json.loads(self.json)
        own = fitted.pop("leyden", {})
        return Tokenizer.from_str(json.dumps(fitted)), own.get("pad", PAD), own.get("max_length")

    @cached_property
    def _unknown(self) -> int | None:
        """Id of what has no token of its own, as the tokenizer counts; None if it can write everything."""
        name = json.loads(self.json)["model"].get("unk_token")
        return None if name is None else self._fitted[0].token_to_id(name)

    def __len__(self) -> int:
        return int(self._fitted[0].get_vocab_size())

    def __getstate__(self) -> dict[str, object]:
        return {"json": self.json}  # worker processes parse it again

    @cached_property
    def words(self) -> list[str]:
        """Each token's text, in the order of the ids."""
        tokenizer, pad, _ = self._fitted
        words = [""] * len(self)
        for word, index in tokenizer.get_vocab().items():
            words[_exchange(index, pad)] = word
        return words

    @property
    def max_length(self) -> int | None:
        """The most tokens that the pretrained model takes."""
        return self._fitted[2]

    def encode(self, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
        """Token ids of each text; of at most ``max_length`` tokens, those that a pretrained tokenizer adds included."""
        return [ids for ids, _ in self._encode(texts, max_length, False)]

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]], max_length: int | None = None
    ) -> Iterator[tuple[list[int], int]]:
        """Token ids of each pair of texts, and how many of them are of the first text.

        A pretrained tokenizer encodes pairs as its model was trained with them; one that was fitted here has ``END``
        between the two. Of a pair that is too long, the longer text is cut.
        """
        self._limit(max_length)
        _, pad, _ = self._fitted
        cut = [tuple(_cut(text, max_length) for text in pair) for pair in pairs]
        for pair, encoding in zip(pairs, self._pairing.encode_batch(cut), strict=True):
            self._count_cut(pair, encoding, max_length)
            kept = [place for place, index in enumerate(encoding.ids) if pad or index != PAD]
            ids = [_exchange(encoding.ids[place], pad) for place in kept]
            yield ids, sum(encoding.type_ids[place] == 0 for place in kept)

    @cached_property
    def _pairing(self) -> "Tokenizer":
        tokenizer, _, _ = self._fitted
        if tokenizer.post_processor is None:
            from tokenizers.processors import TemplateProcessing

            end = SPECIAL[END]
            # Nothing is added to a text by itself.
            tokenizer.post_processor = TemplateProcessing("$A", f"$A {end} $B:1", [(end, END)])
        return tokenizer

    @cached_property
    def is_pretrained(self) -> bool:
        """Whether it is the tokenizer of a pretrained model."""
        return "leyden" in json.loads(self.json)

    def encode_surface(
        self, texts: Sequence[str | tuple[str, str]], max_length: int | None = None
    ) -> list[list[tuple[int, str]]]:
        """Each token's id and how it is written in the text; nothing for what stands between the texts of a pair."""
        return [
            [(index, "" if part is None else text[part][slice(*span)]) for index, part, _, span in tokens]
            for text, tokens in self._places(texts, max_length)
        ]

    def written_words(
        self, texts: Sequence[str | tuple[str, str]], max_length: int | None = None
    ) -> list[tuple[list[str], list[int]]]:
        """The words of each text, or pair of texts, as they are written; and for each token, which of them it is of.

        A token that is of no word, but was added by the tokenizer, is of word -1; one of blanks is the word ``BLANK``.
        """
        found = []
        for text, tokens in self._places(texts, max_length):
            spans: dict[tuple[int, int | None], list[int]] = {}
            for _, part, word, span in tokens:
                if part is not None:
                    spans.setdefault((part, word), []).extend(span)
            words = [text[part][min(ends) : max(ends)].strip() or BLANK for (part, _), ends in spans.items()]
            number = {key: k for k, key in enumerate(spans)}
            found.append((words, [-1 if part is None else number[part, word] for _, part, word, _ in tokens]))
        return found

    def _places(
        self, texts: Sequence[str | tuple[str, str]], max_length: int | None
    ) -> Iterator[tuple[tuple[str, ...], list[tuple[int, int | None, int | None, tuple[int, int]]]]]:
        """The parts of each text, and of each of its tokens the id, the part, the word in it, and from where to where.

        What was added to the text is of no part.
        """
        self._limit(max_length)
        _, pad, _ = self._fitted

        def composed(text: str) -> str:  # offsets are those of composed characters
            return unicodedata.normalize("NFC", _cut(text, max_length))

        given = [(text,) if isinstance(text, str) else text for text in texts]
        parts = [tuple(map(composed, text)) for text in given]
        written = [text[0] if len(text) == 1 else text for text in parts]
        for whole, text, encoding in zip(given, parts, self._pairing.encode_batch(written), strict=True):
            self._count_cut(whole, encoding, max_length)
            places = zip(encoding.ids, encoding.sequence_ids, encoding.word_ids, encoding.offsets, strict=True)
            kept = [place for place in places if pad or place[0] != PAD]
            yield text, [(_exchange(index, pad), part, word, span) for index, part, word, span in kept]

    def encode_words(
        self, texts: Sequence[Sequence[str]], max_length: int | None = None
    ) -> list[tuple[list[int], list[int]]]:
        """Token ids of texts that are given as words, and where in them each word begins.

        A word of which nothing is left (it is made of characters that the tokenizer drops, or lies beyond
        ``max_length``) begins at -1.
        """
        encoded = []
        valid = [[_valid(word) for word in words] for words in texts]
        for words, (ids, owners) in zip(texts, self._encode(valid, max_length, True), strict=True):
            first = [-1] * len(words)
            for position, word in reversed(list(enumerate(owners))):
                if word is not None:
                    first[word] = position
            encoded.append((ids, first))
        return encoded

    def _encode(
        self, texts: Sequence[Any], max_length: int | None, are_words: bool
    ) -> Iterable[tuple[list[int], list[int | None]]]:
        self._limit(max_length)
        tokenizer, pad, _ = self._fitted
        cut = texts if are_words else [_cut(text, max_length) for text in texts]
        for text, encoding in zip(texts, tokenizer.encode_batch(cut, is_pretokenized=are_words), strict=True):
            if not are_words:
                self._count_cut((text,), encoding, max_length)
            ids, owners = encoding.ids, encoding.word_ids
            if not pad and PAD in ids:  # somebody wrote `<pad>` into the text, which would end there
                kept = [place for place, index in enumerate(ids) if index != PAD]
                ids, owners = [ids[place] for place in kept], [owners[place] for place in kept]
            yield [_exchange(index, pad) for index in ids] if pad else ids, owners

    def is_cut(self, text: str | tuple[str, str], max_length: int | None) -> bool:
        """Whether a text, or a pair of texts, is longer than what is read of it."""
        before = self.num_cut
        list(self._places([text], max_length))
        return self.num_cut > before

    def _count_cut(self, texts: Sequence[str], encoding: "Encoding", max_length: int | None) -> None:
        limit = self.limit(max_length)
        # What overflows is copied when it is asked for.
        overflows = limit is not None and len(encoding.ids) >= limit and bool(encoding.overflowing)
        self.num_cut += overflows or any(_is_cut(text, max_length) for text in texts)

    def limit(self, max_length: int | None) -> int | None:
        """Most tokens that are read of a text: at most ``max_length``, and what the pretrained model takes."""
        return min(filter(None, (max_length, self.max_length)), default=None)

    def _limit(self, max_length: int | None) -> None:
        tokenizer, limit = self._fitted[0], self.limit(max_length)
        if limit is None:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(limit)

    def decode(self, texts: Sequence[Sequence[int]]) -> list[str]:
        """The text of each sequence of ids, without padding and the like; what has no token of its own is U+FFFD."""
        (tokenizer, pad, _), unknown = self._fitted, self._unknown
        decoded = []
        for text in texts:
            runs = groupby((_exchange(index, pad) for index in text), key=lambda index: index == unknown)
            parts = [
                "\ufffd" if is_unknown else tokenizer.decode(list(ids), skip_special_tokens=True).strip()
                for is_unknown, ids in runs
            ]
            decoded.append(" ".join(filter(None, parts)))
        return decoded


def find_words(text: str) -> list[str]:
    """The words of a text, with the hyphens and apostrophes within them, without punctuation."""
    return _ASCII_WORD.findall(text) if text.isascii() else _WORD.findall(unicodedata.normalize("NFC", text))


def num_unspaced(text: str) -> int:
    """Number of characters of scripts that have no spaces between words."""
    return 0 if text.isascii() else len(_UNSPACED.findall(text))


def _cut(text: str, max_length: int | None) -> str:
    """The beginning of a text: it spares the tokenizer a line of megabytes."""
    return _valid(text if max_length is None else text[: LETTERS * max_length])


def _is_cut(text: str, max_length: int | None) -> bool:
    """Whether ``_cut`` leaves out anything but blanks."""
    return max_length is not None and bool(text[LETTERS * max_length :].strip())


def _valid(text: str) -> str:
    """Without halves of characters (lone surrogates), which some JSON has and no tokenizer takes."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def local(name: str) -> str:
    """``$LEYDEN_DATA/<name>`` if there is such a folder (a model placed there by hand), else the name as it is."""
    folder = Path(os.environ.get("LEYDEN_DATA", "data")) / name
    return str(folder) if folder.is_dir() else name


def _exchange(index: int, pad: int) -> int:
    """Exchange ``pad`` and 0."""
    return pad if index == 0 else 0 if index == pad else index
