"""Plain text as one stream of words, to learn their vectors from; and what people think of pairs of words."""

import re
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import Tensor

from datamodules.archives import members
from datamodules.data import Data, Row
from datamodules.download import fetch
from datamodules.lines import read_lines
from datamodules.sampling import Draw, mix

WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


class Stream(NamedTuple):
    """The words of a split.

    Attributes:
        words: ``(words)``, ids in the order of the text; 0 ends a line.
        keep: ``(vocabulary)``, probability with which a word is kept when training draws it.
    """

    words: Tensor
    keep: Tensor


class Blocks:
    """Blocks of successive words. Frequent ones are left out at random in training (Mikolov et al. 2013, section 2.3).

    Args:
        stream: The words.
        size: Words in a block.
        seed: Seed of what is left out.
    """

    def __init__(self, stream: Stream, size: int, seed: int) -> None:
        self.words, self.keep, self.size, self.seed = stream.words.numpy(), stream.keep.numpy(), size, seed

    def __len__(self) -> int:
        return -(-len(self.words) // self.size)

    def __getitems__(self, indices: Draw) -> Tensor:
        """Word ids ``(words)``, blocks one after the other, 0 between them."""
        blocks = []
        for index in indices:
            words = self.words[index * self.size : (index + 1) * self.size]
            random = np.random.default_rng(mix(self.seed, indices.epoch, index))
            blocks += [words[random.random(len(words), dtype=np.float32) < self.keep[words]], [0]]
        return torch.from_numpy(np.concatenate(blocks).astype(np.int64))


class Questions(NamedTuple):
    """What vectors are tested on, as word ids; only what has no unknown word.

    Attributes:
        similarity: For each list its name, pairs ``(pairs, 2)`` and what people said ``(pairs)``.
        analogies: ``(questions, 4)``: a is to b as c is to d.
    """

    similarity: list[tuple[str, Tensor, Tensor]]
    analogies: Tensor


class Whole:
    """A dataset of one example, which is its own batch."""

    def __init__(self, example: object) -> None:
        self.example = example

    def __len__(self) -> int:
        return 1

    def __getitems__(self, indices: Draw) -> object:
        """The example."""
        return self.example


class WordList:
    """Words whose neighbours are asked for."""

    def __init__(self, words: list[str], ids: list[int]) -> None:
        self.words, self.ids = words, torch.tensor(ids, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.words)

    def __getitems__(self, indices: Draw) -> Tensor:
        """Word ids ``(batch)``; 0 for an unknown one."""
        return self.ids[torch.tensor(indices, dtype=torch.long)]


class WordData(Data[list[str]], ABC):
    """Base of the datamodules of word embeddings. A subclass writes ``lines``.

    Words are runs of letters and digits, with the hyphens and apostrophes within; everything else is left out. They are
    read twice, line by line, and kept as numbers. ``leyden test`` compares the vectors with WordSim-353 (Finkelstein et
    al. 2002), SimLex-999 (Hill et al. 2015) and the Google analogies (Mikolov et al. 2013) in ``root/word_eval/``.

    Facts: the ``words`` in order of frequency (the first, empty, is padding) and their ``word_counts``.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Blocks of words in a batch, per process.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Words, one a line, whose nearest neighbours to find.
        text: One word whose nearest neighbours to find, instead of ``predict_path``.
        min_count: Times that a word must occur to get a vector.
        subsample: Share of the text above which a word is left out at random; 0 keeps every word.
        block: Words in a block.
        val_fraction: Share of the blocks on which the loss is validated.
        lowercase: Whether to forget the case.
    """

    facts: ClassVar[tuple[str, ...]] = ("words", "word_counts")
    ADDRESS: ClassVar[str] = "https://raw.githubusercontent.com/RaRe-Technologies/gensim/develop/gensim/test/test_data/"
    EVALUATION: ClassVar[dict[str, str]] = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}
    ANALOGIES: ClassVar[str] = "questions-words.txt"

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 8,
        num_workers: int = 0,
        predict_path: str | None = None,
        text: str | None = None,
        min_count: int = 5,
        subsample: float = 1e-3,
        block: int = 500,
        val_fraction: float = 0.01,
        lowercase: bool = True,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        self.text, self.min_count, self.subsample, self.block = text, min_count, subsample, block
        self.val_fraction, self.lowercase = val_fraction, lowercase
        self.words: list[str]
        self.word_counts: list[int]

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """The text line by line: no word's context goes beyond its line."""

    def download(self) -> None:
        """Fetch what the vectors are tested on."""
        for name in (*self.EVALUATION.values(), self.ANALOGIES):
            fetch(self.ADDRESS + name, self.root / "word_eval" / name)

    def _words(self) -> Iterator[list[str]]:
        for line in self.lines():
            yield WORD.findall(line.lower() if self.lowercase else line)

    # ---- the base class asks for strings; here the text itself is read only when it becomes numbers

    def read(self, split: str) -> list[str]:
        """Name the split."""
        return [split]

    def learn(self, train: list[str]) -> None:
        """Count the words."""
        counts: Counter[str] = Counter()
        for words in self._words():
            counts.update(words)
        kept = sorted((-count, word) for word, count in counts.items() if count >= self.min_count)
        if len(kept) < 2:
            raise MisconfigurationException(
                f"{len(kept)} of {len(counts)} words occur {self.min_count} times or more (data.min_count): "
                "that is no vocabulary"
            )
        self.words = ["", *(word for _, word in kept)]
        self.word_counts = [0, *(-count for count, _ in kept)]
        rank_zero_info(f"{counts.total():,} words, {len(counts):,} different ones, {len(kept):,} of them get vectors")

    def examples(self, raw: list[str], train: bool) -> Blocks | Whole | WordList:  # type: ignore[override]
        """Make the dataset of a split."""
        ids = {word: index for index, word in enumerate(self.words)}
        if raw[0] == "test":
            return Whole(self.questions(ids))
        if raw[0] == "predict":
            return WordList(raw[1:], [ids.get(word.lower() if self.lowercase else word, 0) for word in raw[1:]])
        stream = self._numbers(ids)
        num_blocks = -(-len(stream) // self.block)
        # The last blocks are for validation: all of them have their neighbours in training otherwise.
        first = (num_blocks - max(1, round(self.val_fraction * num_blocks))) * self.block
        part = stream[:first] if train else stream[first:]
        if not len(part):
            raise MisconfigurationException(f"{len(stream)} words do not fill two blocks of {self.block} (data.block)")
        counts = torch.tensor(self.word_counts, dtype=torch.float)
        share = counts / counts.sum() / self.subsample if self.subsample and train else torch.zeros(len(counts))
        keep = torch.where(share > 0, share.rsqrt() + 1 / share, torch.inf)  # as the authors' program has it
        return Blocks(Stream(part, keep), self.block, self.seed)

    def _numbers(self, ids: dict[str, int]) -> Tensor:
        stream = array("i")
        for words in self._words():
            stream.extend(ids[word] for word in words if word in ids)
            if stream and stream[-1]:
                stream.append(0)
        return torch.frombuffer(stream, dtype=torch.int32)

    # ---- what vectors are asked

    def questions(self, ids: dict[str, int]) -> Questions:
        """Read the evaluation sets."""
        folder = self.root / "word_eval"
        similarity = []
        for name, file in self.EVALUATION.items():
            rows = [line.split("\t") for line in read_lines(folder / file) if not line.startswith("#")]
            known = [
                (ids[a.lower()], ids[b.lower()], float(s)) for a, b, s in rows if {a.lower(), b.lower()} <= ids.keys()
            ]
            rank_zero_info(f"{file}: {len(known)} of {len(rows)} pairs have known words")
            pairs = torch.tensor([row[:2] for row in known], dtype=torch.long).reshape(-1, 2)
            similarity.append((name, pairs, torch.tensor([row[2] for row in known])))
        lines = [line.lower().split() for line in read_lines(folder / self.ANALOGIES) if not line.startswith(":")]
        analogies = [[ids[word] for word in line] for line in lines if len(line) == 4 and all(w in ids for w in line)]
        rank_zero_info(f"{self.ANALOGIES}: {len(analogies)} of {len(lines)} analogies have known words")
        return Questions(similarity, torch.tensor(analogies, dtype=torch.long).reshape(-1, 4))

    def setup(self, stage: str) -> None:
        """Read the splits that a stage needs; for a prediction, the one word if it was given."""
        if stage == "predict" and self.text is not None:
            super().setup("facts")
            self.datasets["predict"] = self.examples(["predict", self.text], train=False)
        else:
            super().setup(stage)

    def read_predict(self, path: Path) -> list[str]:
        """Read words, one a line."""
        return ["predict", *(line.strip() for line in read_lines(path))]

    def describe(self, index: int) -> Row:
        """The word."""
        examples = self.datasets["predict"]
        assert isinstance(examples, WordList)
        return {"word": examples.words[index]}

    def write(self, rows: list[Row], folder: Path) -> Path:  # type: ignore[override]
        """Write a table; the row of a word given on the command line is also printed."""
        if self.text is not None:
            rank_zero_info("\n".join(f"{name}: {value}" for name, value in rows[0].items()))
        return super().write(rows, folder)


class Corpus(WordData):
    """Plain text of your own: a ``.txt`` file, or a folder of them.

    Args:
        path: File or folder.
        encoding: Encoding of the files.
        boundary: Whether a context ends with its ``line``, or goes on to the next blank one (``paragraph``), as in text
            whose lines are broken by hand.
        root: Folder of datasets, where ``word_eval`` lies; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Blocks of words in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Words, one a line, whose nearest neighbours to find.
        text: One word whose nearest neighbours to find, instead of ``predict_path``.
        min_count: Times that a word must occur to get a vector.
        subsample: Share of the text above which a word is left out at random; 0 keeps every word.
        block: Words in a block.
        val_fraction: Share of the blocks on which the loss is validated.
        lowercase: Whether to forget the case.
    """

    def __init__(
        self,
        path: str,
        encoding: str = "utf-8",
        boundary: Literal["line", "paragraph"] = "line",
        root: str | None = None,
        batch_size: int = 8,
        num_workers: int = 0,
        predict_path: str | None = None,
        text: str | None = None,
        min_count: int = 5,
        subsample: float = 1e-3,
        block: int = 500,
        val_fraction: float = 0.01,
        lowercase: bool = True,
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, text, min_count, subsample, block, val_fraction, lowercase
        )
        self.path, self.encoding, self.boundary = Path(path), encoding, boundary

    def lines(self) -> Iterator[str]:
        """The lines, or paragraphs, of all files in the order of their names."""
        files = sorted(self.path.rglob("*.txt")) if self.path.is_dir() else [self.path]
        if not files or not files[0].exists():
            raise MisconfigurationException(f"there is no text at {self.path} (a .txt file, or a folder of them)")
        for file in files:
            if self.boundary == "line":
                yield from read_lines(file, self.encoding)
                continue
            paragraph: list[str] = []
            for line in read_lines(file, self.encoding):
                if not line.strip():
                    yield " ".join(paragraph)
                    paragraph = []
                paragraph.append(line)
            yield " ".join(paragraph)


class NLTKCorpora(WordData):
    """English corpora that NLTK distributes, 3.4 million words and punctuation marks: books, news, film reviews, chats.

    Archives (``.zip`` or ``.tar.gz``) in ``root/text_corpora/``. Brown is for non-commercial use, the reviews are CC BY
    4.0, addresses of presidents are in the public domain.

    Args:
        names: Names of the corpora.
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Blocks of words in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Words, one a line, whose nearest neighbours to find.
        text: One word whose nearest neighbours to find, instead of ``predict_path``.
        min_count: Times that a word must occur to get a vector.
        subsample: Share of the text above which a word is left out at random; 0 keeps every word.
        block: Words in a block.
        val_fraction: Share of the blocks on which the loss is validated.
        lowercase: Whether to forget the case.
    """

    CORPORA = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/"

    def __init__(
        self,
        names: tuple[str, ...] = ("brown", "movie_reviews", "state_union", "webtext", "inaugural"),
        root: str | None = None,
        batch_size: int = 8,
        num_workers: int = 0,
        predict_path: str | None = None,
        text: str | None = None,
        min_count: int = 5,
        subsample: float = 1e-3,
        block: int = 500,
        val_fraction: float = 0.01,
        lowercase: bool = True,
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, text, min_count, subsample, block, val_fraction, lowercase
        )
        self.names = names

    def _file(self, name: str) -> Path:
        packed = self.root / "text_corpora" / f"{name}.tar.gz"
        return packed if packed.exists() else packed.with_name(f"{name}.zip")

    def download(self) -> None:
        """Fetch the archives, and what the vectors are tested on."""
        super().download()
        for name in self.names:
            fetch(f"{self.CORPORA}{name}.zip", self._file(name))

    def lines(self) -> Iterator[str]:
        """The lines of all corpora."""
        for name in self.names:
            for file, content in members(self._file(name)):
                if not _is_text(name, file):
                    continue
                try:
                    text = content.decode("utf-8")
                except UnicodeDecodeError:  # some presidents' addresses
                    text = content.decode("latin-1")
                for line in text.split("\n"):
                    if name == "brown":  # word/tag
                        line = " ".join(token.rpartition("/")[0] for token in line.split())
                    yield line


def _is_text(corpus: str, file: str) -> bool:
    if corpus == "brown":
        return re.fullmatch(r"brown/c[a-r]\d\d", file) is not None
    return file.endswith(".txt")
