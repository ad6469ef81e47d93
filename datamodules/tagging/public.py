"""Public datasets of tagged sentences: Universal Dependencies, WNUT-17, CoNLL-2003."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.fetch import fetch
from datamodules.files.faults import Faults
from datamodules.tagging.base import Tagging
from datamodules.tagging.conll import Sentence, read_columns, read_conllu

EWT = "15d613d844"  # the commit of English-EWT whose files have these checksums


class UniversalDependencies(Tagging):
    """A treebank of Universal Dependencies (https://universaldependencies.org; de Marneffe et al. 2021).

    It lies in ``root/ud_english_ewt/`` as ``en_ewt-ud-train.conllu`` and so on, also with ``.gz``.

    Args:
        treebank: Name of its repository after ``UD_``: language, hyphen, name.
        code: ISO code of the language, which its files start with.
        target: ``upos``, ``xpos`` or a feature such as ``Number``.
        release: What is downloaded: a tag (``r2.14``) or commit of the repository. Checksums are known of the default.
        **kwargs: Tokenizer, batch size and the like: see ``datamodules.tagging.base.Tagging``.
    """

    changeable = frozenset({"treebank", "code", "release"})

    files: ClassVar[dict[str, str]] = {
        "en_ewt-ud-train.conllu": "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b",
        "en_ewt-ud-dev.conllu": "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6",
        "en_ewt-ud-test.conllu": "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd",
    }

    def __init__(
        self, treebank: str = "English-EWT", code: str = "en", target: str = "upos", release: str = EWT, **kwargs: Any
    ) -> None:
        super().__init__(scheme="none", **kwargs)
        self.treebank, self.release, self.target = treebank, release, target
        self.stem = f"{code}_{treebank.split('-')[-1].lower()}-ud"

    def _file(self, split: str) -> Path:
        folder = self.root / f"ud_{self.treebank.lower().replace('-', '_')}"
        path = folder / f"{self.stem}-{'dev' if split == 'val' else split}.conllu"
        packed = path.with_name(path.name + ".gz")
        return packed if packed.exists() else path

    def download(self) -> None:
        """Fetch the three files."""
        address = f"https://raw.githubusercontent.com/UniversalDependencies/UD_{self.treebank}/{self.release}/"
        for path in map(self._file, ("train", "val", "test")):
            fetch(address + path.name, path, self.files.get(path.name) if self.release == EWT else None)

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file."""
        path = self._file(split)
        return read_conllu(path, self.target, faults=Faults(self.on_error, str(path)))


class WNUT17(Tagging):
    """Emerging and rare entities in social media, six types (Derczynski et al. 2017; CC BY 4.0).

    It lies in ``root/wnut17/`` under the names of https://github.com/leondz/emerging_entities_17.
    """

    folder = "wnut17"
    url = "https://raw.githubusercontent.com/leondz/emerging_entities_17/master/"
    files: ClassVar[dict[str, str]] = {
        "wnut17train.conll": "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
        "emerging.dev.conll": "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
        "emerging.test.annotated": "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
    }

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file."""
        name = dict(zip(("train", "val", "test"), self.files, strict=True))[split]
        return read_columns(self.root / self.folder / name)


class CoNLL2003(Tagging):
    """English newswire with persons, locations, organisations and others (Tjong Kim Sang & De Meulder 2003).

    The text is licensed (Reuters), so put the files into ``root/conll2003/`` yourself: ``eng.train``, ``eng.testa``
    and ``eng.testb``, or ``train``, ``valid`` and ``test`` with any ending. Words are in the first column, entities in
    the last; the scheme is IOB1 in the original, IOB2 in most copies.

    Args:
        chunks: The scheme that chunks are learned in.
        **kwargs: Scheme, tokenizer, batch size and the like: see ``datamodules.tagging.base.Tagging``.
    """

    names: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": ("eng.train*", "train*"),
        "val": ("eng.testa*", "valid*", "dev*"),
        "test": ("eng.testb*", "test*"),
    }

    def __init__(self, chunks: Literal["IOB2", "BIOES"] = "BIOES", **kwargs: Any) -> None:
        super().__init__(chunks=chunks, **kwargs)

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file."""
        folder = self.root / "conll2003"
        found = [path for name in self.names[split] for path in sorted(folder.glob(name))]
        if not found:
            raise MisconfigurationException(
                f"{folder} holds no {' or '.join(self.names[split])}: CoNLL-2003 is licensed, put its files there "
                "(https://www.clips.uantwerpen.be/conll2003/ner/)"
            )
        return read_columns(found[0], encoding=self.encoding, faults=Faults(self.on_error, str(found[0])))
