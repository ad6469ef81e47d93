"""Public datasets of tagged sentences: Universal Dependencies, WNUT-17, CoNLL-2003."""

from pathlib import Path
from typing import ClassVar, Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.fetch import fetch
from datamodules.tagging import conll
from datamodules.tagging.base import Scheme, Tagging
from datamodules.tagging.conll import Sentence


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
            root, batch_size, num_workers, predict_path, lower, scheme="none", tokenizer=tokenizer,
            max_pieces=max_pieces,
        )  # fmt: skip
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
