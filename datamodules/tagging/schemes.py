"""Schemes in which the tags of words mark chunks: IOB1, IOB2 and BIOES (Ramshaw & Marcus 1995)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.files.faults import Faults
from datamodules.tagging.conll import Sentence

Scheme = Literal["auto", "none", "IOB1", "IOB2", "BIOES"]
Span = tuple[int, int, str]  # first word, last word, type

CHUNK = re.compile(r"O|[BIESLUM]-.+")
LIKE_CHUNK = re.compile(r"[BIESLUM]|(?i:[biesulm][-_:/|.].+|.+[-_:/|.][biesulm])")  # written in another way
SCHEMES = ("IOB2", "IOB1", "BIOES")
NAMED_OTHERWISE = {"L-": "E-", "U-": "S-", "M-": "I-"}  # BILOU and BMES are BIOES by other names
TOLERATED = 0.01  # tags that may break the scheme, as a share of the chunks: real files have a few


def spans(tags: Sequence[str]) -> list[Span]:
    """Chunks as conlleval reads them, in any scheme and also in ill-formed tags."""
    found, first = [], 0
    for i, tag in enumerate(tags):
        before = tags[i - 1] if i else "O"
        after = tags[i + 1] if i + 1 < len(tags) else "O"
        if tag[:2] in ("B-", "S-", "U-") or before[:1] in "OESLU" or before[2:] != tag[2:]:
            first = i
        ends = tag[:2] in ("E-", "L-", "S-", "U-") or after[:1] in "OBSU" or after[2:] != tag[2:]
        if tag != "O" and ends:
            found.append((first, i, tag[2:]))
    return found


def encode(chunks: Iterable[Span], length: int, scheme: str) -> list[str]:
    """Tags of ``length`` words in the scheme ``IOB2``, ``IOB1`` or ``BIOES``."""
    tags = ["O"] * length
    previous = (-2, "")  # last word and type of the chunk before
    for first, last, kind in chunks:
        tags[first : last + 1] = [f"I-{kind}"] * (last + 1 - first)
        if scheme != "IOB1" or previous == (first - 1, kind):
            tags[first] = f"B-{kind}"
        if scheme == "BIOES":
            tags[last] = f"S-{kind}" if first == last else f"E-{kind}"
        previous = (last, kind)
    return tags


def find_scheme(sentences: Sequence[Sentence]) -> str:
    """The scheme that fits the sentences best, empty if their tags mark no chunks (parts of speech, say).

    Raises:
        MisconfigurationException: If some tags look as if they marked chunks, but more do not.
    """
    counts = Counter(tag for sentence in sentences for tag in sentence.tags)
    del counts["O"]
    chunks = [tag for tag in counts if CHUNK.fullmatch(tag)]
    share = sum(counts[tag] for tag in chunks) / max(1, counts.total())
    if share <= TOLERATED:
        del counts["o"]
        if counts and all(LIKE_CHUNK.fullmatch(tag) for tag in counts):
            rank_zero_warn(
                f"{source(sentences)}: tags such as {next(iter(counts))} are taken as they are, and no entities are "
                "scored; tags that mark chunks are written B-X, I-X and O"
            )
        return ""
    if share < 0.5:
        other = next(tag for tag in counts if tag not in chunks)
        raise MisconfigurationException(
            f"{source(sentences)}: some tags look as if they marked chunks ({chunks[0]}), most do not ({other}); "
            "say --data.scheme none if none does"
        )
    return min(SCHEMES, key=lambda scheme: sum(len(_faults(sentence.tags, scheme)) for sentence in sentences))


def conforming(sentences: Sequence[Sentence], scheme: str, told: bool, faults: Faults) -> list[Sentence]:
    """The sentences whose tags can be read in a scheme, with tags that follow it.

    A few tags that break it are read as the conlleval script does, with a warning. Sentences with such tags are faulty
    if they are more than ``TOLERATED``, and those with tags that mark no chunk always.

    Args:
        sentences: Sentences with tags.
        scheme: ``IOB1``, ``IOB2`` or ``BIOES``.
        told: Whether the user said so: then it may be broken at will.
        faults: Takes the faulty sentences.

    Raises:
        MisconfigurationException: If a sentence is faulty, and faults are not to be skipped.
    """
    kept: list[Sentence] = []
    broken: set[int] = set()
    count, chunks, first = 0, 0, ""
    strange = {tag for sentence in sentences for tag in sentence.tags if not CHUNK.fullmatch(tag)}
    for sentence in sentences:
        if strange.intersection(sentence.tags):
            i, tag = next((i, tag) for i, tag in enumerate(sentence.tags) if tag in strange)
            faults.add(
                MisconfigurationException(
                    f"in the sentence at {sentence.place}, word {i + 1} {sentence.words[i]!r} is tagged {tag}, which "
                    "marks no chunk, and other tags do (--data.scheme none takes all as they are)"
                )
            )
            continue
        wrong = {} if told else _faults(sentence.tags, scheme)
        chunks += 0 if told else len(spans(sentence.tags))
        count += len(wrong)
        if wrong:
            i = min(wrong)
            first = first or (
                f"in the sentence at {sentence.place}, word {i + 1} {sentence.words[i]!r} is tagged "
                f"{sentence.tags[i]}, where {scheme} has {wrong[i]}"
            )
            broken.add(len(kept))
        kept.append(sentence._replace(tags=encode(spans(sentence.tags), len(sentence.tags), scheme)))
    if count <= TOLERATED * chunks:
        if count:
            rank_zero_warn(
                f"{count} tags of {chunks} chunks break {scheme}, and are read as conlleval does: the first {first}"
            )
    else:
        message = f"{count} tags of {chunks} chunks break {scheme}: the first {first}"
        for _ in broken:
            faults.add(MisconfigurationException(f"{message} (--data.scheme {scheme} reads them all the same)"))
        kept = [sentence for i, sentence in enumerate(kept) if i not in broken]
    faults.report(len(sentences), "sentences")
    return kept


def source(sentences: Sequence[Sentence]) -> str:
    """The file that the sentences are from, for messages."""
    return sentences[0].place.rpartition(":")[0]


def _faults(tags: Sequence[str], scheme: str) -> dict[int, str]:
    """Positions of the tags that break the scheme, and what it has there."""
    if all(tag == "O" for tag in tags):
        return {}
    tags = [NAMED_OTHERWISE.get(tag[:2], tag[:2]) + tag[2:] for tag in tags]
    right = encode(spans(tags), len(tags), scheme)
    return {i: should for i, (tag, should) in enumerate(zip(tags, right, strict=True)) if tag != should}
