"""Numbers to predict of texts and images."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.images import ImageTable
from datamodules.sampling import BatchIndices
from datamodules.targets import NumberTarget
from datamodules.text import TextTable
from datamodules.types import TextNumberFacts

SAMPLES = Path(__file__).parents[2] / "samples"
WHOLE = {"val_fraction": 0.2, "test_fraction": 0.2}


def learned(values, **options):
    target = NumberTarget(["price"], **options)
    read = [target.read({"price": value}, "t.csv, line 2") for value in values]
    facts = TextNumberFacts(tokenizer="", num_inputs=1, **target.learn(read, "t.csv"))
    encode = target.encoder(facts)
    return facts, target.tensor([encode(value) for value in read], facts)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1.5", "2", "-3e2"], [1.5, 2, -300]),
        (["1,5", "1.234,25", "7"], [1.5, 1234.25, 7]),
        (["1,234.5 €", "7.25 €", "8 €"], [1234.5, 7.25, 8]),
        ([1, 2.5, 4.0], [1, 2.5, 4]),
        ([1, "2.5", 4.0], [1, 2.5, 4]),
    ],
)
def test_numbers_are_read_as_they_are_written_and_standardized(cells, numbers):
    facts, target = learned(cells)
    exact = torch.tensor(numbers, dtype=torch.float64)
    assert facts.target_mean == pytest.approx([exact.mean().item()])
    assert facts.target_scale == pytest.approx([exact.std(correction=0).item()])
    torch.testing.assert_close(target[:, 0], ((exact - exact.mean()) / exact.std(correction=0)).float())


def test_digits_far_from_zero_stay():
    facts, target = learned([1e9 + k / 8 for k in range(5)])
    back = target.double() * torch.tensor(facts.target_scale, dtype=torch.float64) + facts.target_mean[0]
    assert back[:, 0].tolist() == pytest.approx([1e9 + k / 8 for k in range(5)], abs=1e-6)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1.234", "5.678", "9.012"], "whether `1.234` in column `price` is 1.234 or 1234"),
        (["a", "b", "c"], "column `price` does not hold numbers, but `a`"),
        (["1", "", "3"], "t.csv, line 2: `price` is empty"),
        (["1", "nan", "3"], "t.csv, line 2: `price` is empty"),
        ([2, 2, 2], "target `price` is the same in all training examples"),
    ],
)
def test_what_is_no_number_or_could_be_two_is_refused(cells, message):
    target = NumberTarget(["price"])
    target.separator = ";"
    with pytest.raises(MisconfigurationException, match=message):
        target.learn([target.read({"price": cell}, "t.csv, line 2") for cell in cells], "t.csv")


@pytest.mark.parametrize("unit", [" kg", "%"])
def test_a_bare_number_is_none_in_a_unit(unit):
    facts, _ = learned([f"{k}{unit}" for k in range(5)])
    encode = NumberTarget(["price"]).encoder(facts)
    assert encode((f"7{unit}",)) == [7.0]
    with pytest.raises(MisconfigurationException, match=rf"`price`: 7.0 is not a number in {unit.strip()} \(write the"):
        encode((7.0,))
    with pytest.raises(MisconfigurationException, match="is not a number in"):
        learned([*(f"{k}{unit}" for k in range(5)), 7])


def test_a_format_holds_for_later_files(tmp_path):
    (tmp_path / "t.csv").write_text("text;price\n" + "".join(f"t {k % 3};{k},5\n" for k in range(20)))
    (tmp_path / "other.csv").write_text("text;price\nx;3,5\ny;1.003,5\n")
    data = TextTable(
        str(tmp_path / "t.csv"), target="price", kind="number", test_path=str(tmp_path / "other.csv"), val_fraction=0.2
    )
    data.setup("fit")
    with pytest.raises(MisconfigurationException, match=r"csv, line 3: column `price`: '1.003,5' is not a number"):
        data.setup("test")
    data.on_error = "skip"
    with pytest.warns(UserWarning, match="left out 1 of 2 texts"):
        data.setup("test")
    batch = data.datasets["test"].__getitems__(BatchIndices([0]))
    facts = data.facts
    assert batch.target.item() * facts.target_scale[0] + facts.target_mean[0] == pytest.approx(3.5)


def test_several_numbers_of_json(tmp_path):
    rows = [{"text": f"t {k % 3}", "a": k, "b": f"{k}.5"} for k in range(20)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = TextTable(str(tmp_path / "t.jsonl"), target=["a", "b"], kind="number", **WHOLE)
    data.setup("fit")
    assert data.facts.targets == ["a", "b"]
    target = data.datasets["train"].__getitems__(BatchIndices(range(12))).target
    assert target.shape == (12, 2)
    torch.testing.assert_close(target[:, 0], target[:, 1])  # b is a and a half
    torch.testing.assert_close(target.mean(0), torch.zeros(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", [TextTable, ImageTable])
def test_where_semicolons_part_cells_a_point_may_part_thousands(tmp_path, kind):
    names = [f"{name}/{k:02}.jpg" for k in range(8) for name in ("cat", "dog")]
    shutil.copytree(SAMPLES / "my_images", tmp_path, dirs_exist_ok=True)
    (tmp_path / "t.csv").write_text("path;price\n" + "".join(f"{n};{k + 1}.234\n" for k, n in enumerate(names)))
    options = {"column": "path"} if kind is TextTable else {"max_size": 8}
    for decimal, mean in ((",", 8500 + 234), (".", 8.5 + 0.234)):
        data = kind(str(tmp_path / "t.csv"), target="price", kind="number", decimal=decimal, **options)
        data.setup("fit")
        assert data.facts.target_mean[0] == pytest.approx(mean, rel=0.2)
    with pytest.raises(MisconfigurationException, match=r"in column `price` is .* cannot be told from the whole file"):
        kind(str(tmp_path / "t.csv"), target="price", kind="number", **options).setup("fit")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([f"{k:02}" for k in range(1, 13)], "column `price` holds codes that begin with a zero, such as `01`: write"),
        (["5", "10", "007"], "such as `007`: write numbers without it"),
        ([3, 4.5, "01"], "such as `01`"),
        (["1", "2", "\uff14"], "column `price` does not hold numbers, but `\uff14`"),
        ([1, "2", "\uff14"], "column `price` does not hold numbers, but `\uff14`"),
    ],
)
def test_codes_and_foreign_digits_are_said(cells, message):
    with pytest.raises(MisconfigurationException, match=message):
        learned(cells)


def test_one_foreign_digit_in_many_numbers_is_a_fault_of_its_row():
    facts, _ = learned([str(k) for k in range(20)])
    target = NumberTarget(["price"])
    with pytest.raises(MisconfigurationException, match="column `price`: '\uff14' is not a number"):
        target.encoder(facts)(target.read({"price": "\uff14"}, "t.csv, line 2"))
