import gzip
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.parallel import ParallelText
from datamodules.sampling import Draw
from datamodules.tokens import BEGIN, END, Tokens

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
    source, target, references = module.datasets["train"].__getitems__(Draw([3, 0]))
    assert references is None, "training compares no texts"
    tokens = Tokens(module.source_tokenizer)
    assert tokens.decode(source.tolist()) == [ENGLISH[3], ENGLISH[0]]
    assert tokens.decode(target.tolist()) == [GERMAN[3], GERMAN[0]]
    assert (source == END).sum(1).tolist() == (target == END).sum(1).tolist() == [1, 1]
    assert target[:, 0].tolist() == [BEGIN, BEGIN]
    assert module.datasets["val"].__getitems__(Draw([1, 0]))[2] == [GERMAN[1], GERMAN[0]]


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
    assert (again.num_source_tokens, again.num_target_tokens) == (module.num_source_tokens,) * 2
    with pytest.raises(MisconfigurationException, match="translates en to de, not de to en"):
        data(folder, source="de", target="en").load_state_dict(facts)


def test_one_vocabulary_for_both_directions_or_two(folder: Path) -> None:
    there, back, apart = data(folder), data(folder, source="de", target="en"), data(folder, joint=False)
    for module in (there, back, apart):
        module.setup("fit")
    assert there.source_tokenizer == there.target_tokenizer == back.source_tokenizer
    assert apart.source_tokenizer != apart.target_tokenizer


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
    source, target, references = module.datasets["test"].__getitems__(Draw([0, 1, 2]))
    assert source.shape == (3, 64)
    assert (source == END).sum(1).tolist() == [1, 1, 1]
    assert target.shape == (3, 65)  # begin, and no more than the network can take
    assert references[2] == "Wort " * 5000


def test_a_table_and_a_split_by_chance(tmp_path: Path) -> None:
    rows = [f"{e}\t{n}\t{g}" for n, (e, g) in enumerate(zip(ENGLISH * 30, GERMAN * 30, strict=True))]
    path = tmp_path / "all.tsv"
    path.write_text("\n".join(["en\tnumber\tde", *rows]) + "\n", encoding="utf-8")
    module = data(path, val_share=0.1, test_share=0.2)
    parts = {split: module.read(split) for split in ("train", "val", "test")}
    assert sum(len(pairs.source) for pairs in parts.values()) == 360
    assert 15 < len(parts["val"].source) < 60
    assert 45 < len(parts["test"].source) < 100
    for pairs in parts.values():
        for source, target in zip(*pairs, strict=True):
            assert GERMAN[ENGLISH.index(source)] == target
    path.write_text("\n".join(["en\tnumber\tde", *rows, "More.\t1\tMehr."]) + "\n", encoding="utf-8")
    assert (
        data(path, val_share=0.1, test_share=0.2).read("val").source[: len(parts["val"].source)] == parts["val"].source
    )


def test_a_table_for_each_split_and_a_stem_of_two_files(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.tsv").write_text(f'de\ten\nGr"oße\t{split}\n', encoding="utf-8")
    assert data(tmp_path).read("val") == (["val"], ['Gr"oße'])
    (tmp_path / "stem.en.gz").write_bytes(gzip.compress("".join(f"{n}\r\n" for n in range(99)).encode()))
    write(tmp_path, stem_de=[f"{n}." for n in range(99)])
    source, target = data(tmp_path / "stem").read("train")
    assert target == [f"{n}." for n in source]


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    write(tmp_path, train_en=["one\u2028line", "\x0btwo"], train_de=["eine", "zwei"])
    assert data(tmp_path).read("train").source == ["one\u2028line", "\x0btwo"]


def test_predictions_answer_line_for_line(folder: Path) -> None:
    module = data(folder)
    module.setup("fit")
    inputs = folder / "inputs.txt"
    inputs.write_text("The dog.\n\n犬が眠る。 🐶\nThe cat.", encoding="utf-8")
    module.predict_path = str(inputs)
    module.setup("predict")
    source, target, references = module.datasets["predict"].__getitems__(Draw(range(4)))
    assert target is None
    assert references is None
    assert Tokens(module.source_tokenizer).decode(source.tolist()) == ["The dog.", "", "犬が眠る。 🐶", "The cat."]
    path = module.write([{"translation": "Der Hund."}, {"translation": ""}], folder)
    assert path.read_text(encoding="utf-8") == "Der Hund.\n\n"


def test_a_sentence_on_the_command_line(folder: Path) -> None:
    module = data(folder, text="The dog <eos> sleeps.")
    module.setup("predict")
    source = module.datasets["predict"].__getitems__(Draw([0]))[0]
    assert (source == END).sum() == 1, "what looks like a special token is text"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train_en": ENGLISH, "train_de": GERMAN[:5]}, r"train.en has 12 lines, .*train.de has 5"),
        ({"train_en": ENGLISH, "train_de": ["", " "] * 6}, r"train.de: there is no text"),
        ({"train_en": [], "train_de": []}, r"train.en: there is no text"),
    ],
)
def test_bad_files(tmp_path: Path, files: dict[str, list[str]], message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        data(write(tmp_path, **files)).setup("fit")


def test_bad_bytes_and_columns(folder: Path) -> None:
    (folder / "train.de").write_bytes("".join(f"{line}\n" for line in GERMAN).encode("latin-1"))
    with pytest.raises(MisconfigurationException, match=r"train.de, line 1 is not UTF-8"):
        data(folder).setup("fit")
    with pytest.raises(FileNotFoundError, match=r"train.fr nor .*train.fr.gz"):
        data(folder, target="fr").setup("fit")
    (folder / "train.tsv").write_text("en\tde\na\tb\tc\n")
    with pytest.raises(MisconfigurationException, match=r"train.tsv, line 2: 3 columns instead of 2"):
        data(folder).setup("fit")
    with pytest.raises(MisconfigurationException, match=r"no column `fr`; its first line names \['en', 'de'\]"):
        data(folder, target="fr").setup("fit")
    (folder / "test.en.gz").write_bytes(b"nonsense")
    (folder / "test.en").unlink()
    with pytest.raises(MisconfigurationException, match=r"test.en.gz is damaged"):
        data(folder).read("test")
    with pytest.raises(MisconfigurationException, match="both en"):
        data(folder, target="en")
