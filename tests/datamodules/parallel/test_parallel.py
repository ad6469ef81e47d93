import csv
import gzip
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.parallel import ParallelText
from datamodules.sampling import BatchIndices
from datamodules.tokens import Tokens
from datamodules.types import BEGIN, END

ENGLISH = [f"The {a} {v}." for a in ("dog", "cat", "man") for v in ("sleeps", "runs", "waits", "sings")]
GERMAN = [f"Der {a} {v}." for a in ("Hund", "Kater", "Mann") for v in ("schläft", "rennt", "wartet", "singt")]


def write(folder: Path, **files: list[str]) -> Path:
    for name, lines in files.items():
        split, language = name.split("_")
        (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split in ("val", "test"):
        write(tmp_path, **{f"{split}_en": ENGLISH[:2], f"{split}_de": GERMAN[:2]})
    return write(tmp_path, train_en=ENGLISH, train_de=GERMAN)


def data(path: Path, **options: Any) -> ParallelText:
    return ParallelText(str(path), **{"num_tokens": 300, **options})


def test_batches_are_tokens_between_begin_and_end(folder: Path) -> None:
    module = data(folder)
    module.setup("fit")
    source, target, references = module.datasets["train"].__getitems__(BatchIndices([3, 0]))
    assert references is None, "training compares no texts"
    tokens = Tokens(module.facts.source_tokenizer)
    assert tokens.decode(source.tolist()) == [ENGLISH[3], ENGLISH[0]]
    assert tokens.decode(target.tolist()) == [GERMAN[3], GERMAN[0]]
    assert (source == END).sum(1).tolist() == (target == END).sum(1).tolist() == [1, 1]
    assert target[:, 0].tolist() == [BEGIN, BEGIN]
    assert module.datasets["val"].__getitems__(BatchIndices([1, 0]))[2] == [GERMAN[1], GERMAN[0]]


def test_batches_hold_so_many_tokens_of_similar_length(folder: Path) -> None:
    module = data(folder, max_tokens=60)
    module.setup("fit")
    batches = list(module.batches("train"))
    lengths = module.lengths(module.datasets["train"])
    assert sorted(index for batch in batches for index in batch) == list(range(12))
    assert all(len(batch) * max(lengths[index] for index in batch) <= 60 for batch in batches)
    assert any(len(batch) > 1 for batch in batches)


def test_vocabularies_travel_and_a_checkpoint_is_not_turned_around(folder: Path) -> None:
    module = data(folder)
    module.setup("fit")
    facts = module.state_dict()
    again = data(folder.parent / "nowhere")
    again.load_state_dict(facts)
    sizes = again.facts.num_source_tokens, again.facts.num_target_tokens
    assert sizes == (module.facts.num_source_tokens,) * 2 == (len(Tokens(module.facts.source_tokenizer)),) * 2
    with pytest.raises(MisconfigurationException, match="translates en to de, not de to en"):
        data(folder, source="de", target="en").load_state_dict(facts)


def test_one_vocabulary_for_both_directions_or_two(folder: Path) -> None:
    there, back, apart = data(folder), data(folder, source="de", target="en"), data(folder, joint=False)
    for module in (there, back, apart):
        module.setup("fit")
    assert there.facts.source_tokenizer == there.facts.target_tokenizer == back.facts.source_tokenizer
    assert apart.facts.source_tokenizer != apart.facts.target_tokenizer


def test_training_pairs_that_are_empty_or_too_long_are_left_out_and_counted(folder: Path) -> None:
    write(folder, train_en=[*ENGLISH, "", "A dog.", "word " * 5000], train_de=[*GERMAN, "Ein Hund.", "", "Wort"])
    module = data(folder, max_length=64)
    with pytest.warns(UserWarning, match="left out 3 of 15 training pairs: 2 with an empty side, 1 longer than 64"):
        module.setup("fit")
    assert len(module.datasets["train"]) == 12


def test_no_pair_is_left_out_of_a_test(folder: Path) -> None:
    write(folder, test_en=[ENGLISH[0], "", "word " * 5000], test_de=[GERMAN[0], "", "Wort " * 5000])
    module = data(folder, max_length=64)
    with pytest.warns(UserWarning, match="1 of 3 sources are longer than 64 tokens"):
        module.setup("test")
    source, target, references = module.datasets["test"].__getitems__(BatchIndices([0, 1, 2]))
    assert source.shape == (3, 64)
    assert (source == END).sum(1).tolist() == [1, 1, 1]
    assert target.shape == (3, 65)  # begin, and no more than the network can take
    assert references[2] == "Wort " * 5000


def test_a_table_and_a_split_by_chance(tmp_path: Path) -> None:
    rows = [f"{e}\t{n}\t{g}" for n, (e, g) in enumerate(zip(ENGLISH * 30, GERMAN * 30, strict=True))]
    path = tmp_path / "all.tsv"
    path.write_text("\n".join(["en\tnumber\tde", *rows]) + "\n", encoding="utf-8")
    module = data(path, val_fraction=0.1, test_fraction=0.2)
    parts = {split: module.read(split) for split in ("train", "val", "test")}
    assert sum(len(pairs.source) for pairs in parts.values()) == 360
    assert len(parts["val"].source) == 36
    assert len(parts["test"].source) == 72
    for pairs in parts.values():
        for source, target in zip(pairs.source, pairs.target, strict=True):
            assert GERMAN[ENGLISH.index(source)] == target
    assert data(path, val_fraction=0.1, test_fraction=0.2).read("val") == parts["val"]


def test_a_table_for_each_split_and_a_stem_of_two_files(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.tsv").write_text(f'de\ten\nGr"oße\t{split}\n', encoding="utf-8")
    assert data(tmp_path).read("val")[:2] == (["val"], ['Gr"oße'])
    (tmp_path / "stem.en.gz").write_bytes(gzip.compress("".join(f"{n}\r\n" for n in range(99)).encode(), mtime=0))
    write(tmp_path, stem_de=[f"{n}." for n in range(99)])
    source, target, _ = data(tmp_path / "stem").read("train")
    assert target == [f"{n}." for n in source]
    assert len(source) == 89


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    write(tmp_path, train_en=["one\u2028line", "\x0btwo"], train_de=["eine", "zwei"])
    whole = data(tmp_path, val_fraction=0.0, test_fraction=0.0).read("train")
    assert whole.source == ["one\u2028line", "\x0btwo"]


def test_predictions_answer_line_for_line(folder: Path) -> None:
    module = data(folder)
    module.setup("fit")
    inputs = folder / "inputs.txt"
    inputs.write_text("The dog.\n\n犬が眠る。 🐶\nThe cat.", encoding="utf-8")
    module.predict_path = str(inputs)
    module.setup("predict")
    source, target, references = module.datasets["predict"].__getitems__(BatchIndices(range(4)))
    assert target is None
    assert references is None
    assert Tokens(module.facts.source_tokenizer).decode(source.tolist()) == [
        "The dog.",
        "",
        "犬が眠る。 🐶",
        "The cat.",
    ]
    written = ["Der Hund.", "", "犬", "Die, Katze"]
    rows = [{**module.describe(index), "translation": text} for index, text in enumerate(written)]
    with module.write(rows, folder).open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == rows
    assert [row["source"] for row in rows] == ["The dog.", "", "犬が眠る。 🐶", "The cat."]
    assert (folder / "predictions.txt").read_text(encoding="utf-8") == "".join(f"{text}\n" for text in written)


def test_a_sentence_on_the_command_line(folder: Path) -> None:
    module = data(folder, text="The dog <eos> sleeps.")
    module.setup("predict")
    source = module.datasets["predict"].__getitems__(BatchIndices([0]))[0]
    assert (source == END).sum() == 1, "what looks like a special token is text"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train_en": ENGLISH, "train_de": GERMAN[:5]}, r"train.en has 12 lines, .*train.de has 5"),
        ({"train_en": ENGLISH, "train_de": ["", " "] * 6}, r"train.de: there is no text"),
        ({"train_en": [], "train_de": []}, r"train.en is empty"),
    ],
)
def test_bad_files(tmp_path: Path, files: dict[str, list[str]], message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        data(write(tmp_path, **files)).setup("fit")


def test_bad_bytes_and_columns(folder: Path) -> None:
    (folder / "train.de").write_bytes("".join(f"{line}\n" for line in GERMAN).encode("latin-1"))
    with pytest.raises(MisconfigurationException, match=r"train.de, line 1: byte 0xe4 is .*--data.encoding cp1252"):
        data(folder).setup("fit")
    assert data(folder, encoding="latin-1").read("train").target == GERMAN
    with pytest.raises(MisconfigurationException, match=r"holds no train.en and train.fr, no train table"):
        data(folder, target="fr").setup("fit")
    (folder / "train.de").unlink()
    (folder / "train.tsv").write_text("en\tde\na\tb\tc\n")
    with pytest.raises(MisconfigurationException, match=r"train.tsv, line 2: 3 cells, but the header has 2"):
        data(folder).setup("fit")
    (folder / "train.tsv").write_text("en\tde\na\tb\n")
    with pytest.raises(MisconfigurationException, match=r"no column `fr`; there are: en, de"):
        data(folder, target="fr").setup("fit")
    (folder / "test.en.gz").write_bytes(b"nonsense")
    (folder / "test.en").unlink()
    with pytest.raises(MisconfigurationException, match=r"test.en.gz cannot be read"):
        data(folder).read("test")
    with pytest.raises(MisconfigurationException, match="both en"):
        data(folder, target="en")
