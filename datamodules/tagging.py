"""Sentences whose words carry tags: the user's own, Universal Dependencies, WNUT-17, CoNLL-2003."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules import conll
from datamodules.conll import Sentence
from datamodules.data import Data, Row
from datamodules.download import fetch
from datamodules.sentences import Facts, PieceSentences, WordSentences, vocabulary
from datamodules.splits import split_off
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

    @abstractmethod
    def read(self, split: str) -> list[Sentence]:
        """Read the sentences of a split."""

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

    def lengths(self, examples: WordSentences) -> Sequence[int]:  # type: ignore[override]
        """Words of each sentence."""
        return examples.lengths

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


class Columns(Tagging):
    """The user's own files: one word a line, its tag in another column, a blank line after each sentence; or CoNLL-U.

    Args:
        path: A file, or a folder whose files start with ``train``, ``dev`` (or ``val``) and ``test``. What is missing
            is split off the training sentences, a tenth each, by the seed. ``.gz`` is fine.
        word: Column of the word, from 0.
        target: Column of the tag (-1 is the last); for CoNLL-U ``upos``, ``xpos`` or a feature such as ``Number``. None
            for text without tags, from which an ``HMMTagger`` finds classes of words by itself.
        root: Not needed.
        batch_size: Sentences in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Sentences without tags: CoNLL-U, columns, or text with a sentence a line.
        lower: Look words up in lower case and with all digits the same.
        chunks: The scheme that chunks are learned in.
        scheme: Scheme of the files; ``none`` if the tags only look like chunks.
        tokenizer: Name or folder of a pretrained tokenizer: batches are then in its word pieces.
        max_pieces: Longest window of word pieces, with a tokenizer.
    """

    def __init__(
        self,
        path: str,
        word: int = 0,
        target: int | str | None = -1,
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
        super().__init__(root, batch_size, num_workers, predict_path, lower, chunks, scheme, tokenizer, max_pieces)
        self.path, self.word, self.target = Path(path), word, target

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file, or split the training file."""
        file = self._find(split)
        if split != "train" and file is not None:
            return self._read_file(file)
        train = self._find("train")
        if train is None:
            raise MisconfigurationException(f"{self.path}: there is no file that starts with train")
        sentences = self._read_file(train)
        for held_out in ("test", "val"):
            if self._find(held_out) is None:
                stay, off = split_off(len(sentences), 0.1, self.seed)
                if split == held_out:
                    return [sentences[i] for i in off]
                sentences = [sentences[i] for i in stay]
        return sentences

    def _find(self, split: str) -> Path | None:
        if not self.path.exists():
            raise MisconfigurationException(f"--data.path {self.path}: there is no such file or folder")
        if self.path.is_file():
            return self.path if split == "train" else None
        starts = ("dev", "val") if split == "val" else (split,)
        return next((p for p in sorted(self.path.iterdir()) if p.name.lower().startswith(starts)), None)

    def _read_file(self, path: Path) -> list[Sentence]:
        if self.target is None:
            return self.read_untagged(path)
        if conll.is_conllu(path):
            return conll.read_conllu(path, self.target if isinstance(self.target, str) else "upos")
        if isinstance(self.target, str):
            raise MisconfigurationException(f"--data.target {self.target}: columns of {path} have numbers, not names")
        return conll.read_columns(path, self.word, self.target)

    def read_untagged(self, path: Path) -> list[Sentence]:
        """Words from the column that the user named."""
        return conll.read_untagged(path, self.word)


class UniversalDependencies(Tagging):
    """A treebank of Universal Dependencies (https://universaldependencies.org; de Marneffe et al. 2021).

    It lies in ``root/ud_english_ewt/`` as ``en_ewt-ud-train.conllu`` and so on, also with ``.gz``.

    Args:
        treebank: Name of its repository after ``UD_``: language, hyphen, name.
        code: ISO code of the language, which its files start with.
        target: ``upos``, ``xpos`` or a feature such as ``Number``.
        release: Version that is downloaded: a tag of the repository.
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Sentences in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Sentences without tags: CoNLL-U, columns, or text with a sentence a line.
        lower: Look words up in lower case and with all digits the same.
        tokenizer: Name or folder of a pretrained tokenizer: batches are then in its word pieces.
        max_pieces: Longest window of word pieces, with a tokenizer.
    """

    ADDRESS = "https://raw.githubusercontent.com/UniversalDependencies/UD_{treebank}/{release}/{file}"

    def __init__(
        self,
        treebank: str = "English-EWT",
        code: str = "en",
        target: str = "upos",
        release: str = "r2.14",
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        lower: bool = True,
        tokenizer: str | None = None,
        max_pieces: int = 512,
    ) -> None:
        super().__init__(
            root,
            batch_size,
            num_workers,
            predict_path,
            lower,
            scheme="none",
            tokenizer=tokenizer,
            max_pieces=max_pieces,
        )
        self.treebank, self.release, self.target = treebank, release, target
        self.folder = self.root / f"ud_{treebank.lower().replace('-', '_')}"
        self.stem = f"{code}_{treebank.split('-')[-1].lower()}-ud"

    def _file(self, split: str) -> Path:
        path = self.folder / f"{self.stem}-{'dev' if split == 'val' else split}.conllu"
        packed = path.with_name(path.name + ".gz")
        return packed if packed.exists() else path

    def download(self) -> None:
        """Fetch the three files of the release."""
        for split in ("train", "val", "test"):
            path = self._file(split)
            if not path.exists():
                fetch(self.ADDRESS.format(treebank=self.treebank, release=self.release, file=path.name), path)

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file."""
        return conll.read_conllu(self._file(split), self.target)


class WNUT17(Tagging):
    """Emerging and rare entities in social media, six types (Derczynski et al. 2017; CC BY 4.0).

    It lies in ``root/wnut17/`` under the names of https://github.com/leondz/emerging_entities_17.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Sentences in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Sentences without tags: columns, or text with a sentence a line.
        lower: Look words up in lower case and with all digits the same.
        chunks: The scheme that chunks are learned in.
        tokenizer: Name or folder of a pretrained tokenizer: batches are then in its word pieces.
        max_pieces: Longest window of word pieces, with a tokenizer.
    """

    ADDRESS = "https://raw.githubusercontent.com/leondz/emerging_entities_17/master/"
    FILES: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("wnut17train.conll", "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5"),
        "val": ("emerging.dev.conll", "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8"),
        "test": ("emerging.test.annotated", "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0"),
    }

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        lower: bool = True,
        chunks: Literal["IOB2", "BIOES"] = "IOB2",
        tokenizer: str | None = None,
        max_pieces: int = 512,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path, lower, chunks, "auto", tokenizer, max_pieces)
        self.folder = self.root / "wnut17"

    def download(self) -> None:
        """Fetch the three files."""
        for name, checksum in self.FILES.values():
            if not (self.folder / name).exists():
                fetch(self.ADDRESS + name, self.folder / name, checksum)

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file."""
        return conll.read_columns(self.folder / self.FILES[split][0])


class CoNLL2003(Tagging):
    """English newswire with persons, locations, organisations and others (Tjong Kim Sang & De Meulder 2003).

    The text is licensed (Reuters), so put the files into ``root/conll2003/`` yourself: ``eng.train``, ``eng.testa``
    and ``eng.testb``, or ``train``, ``valid`` and ``test`` with any ending. Words are in the first column, entities in
    the last.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Sentences in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Sentences without tags: columns, or text with a sentence a line.
        lower: Look words up in lower case and with all digits the same.
        chunks: The scheme that chunks are learned in.
        scheme: Scheme of the files; ``auto`` finds out: IOB1 in the original, IOB2 in most copies.
        tokenizer: Name or folder of a pretrained tokenizer: batches are then in its word pieces.
        max_pieces: Longest window of word pieces, with a tokenizer.
    """

    NAMES: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": ("eng.train*", "train*"),
        "val": ("eng.testa*", "valid*", "dev*"),
        "test": ("eng.testb*", "test*"),
    }

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        lower: bool = True,
        chunks: Literal["IOB2", "BIOES"] = "BIOES",
        scheme: Scheme = "auto",
        tokenizer: str | None = None,
        max_pieces: int = 512,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path, lower, chunks, scheme, tokenizer, max_pieces)
        self.folder = self.root / "conll2003"

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file."""
        found = [path for name in self.NAMES[split] for path in sorted(self.folder.glob(name))]
        if not found:
            raise MisconfigurationException(
                f"{self.folder} holds no {' or '.join(self.NAMES[split])}: CoNLL-2003 is licensed, put its files there "
                "(https://www.clips.uantwerpen.be/conll2003/ner/)"
            )
        return conll.read_columns(found[0])
