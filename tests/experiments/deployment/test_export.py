"""Exported networks and the programs beside them say what the run says."""

import csv
import importlib.util
import json
import math
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.corpus.base import CorpusData
from datamodules.data import Data
from datamodules.dialogue.base import DialogueData
from datamodules.files.numbers import NumberFormat, parse
from datamodules.files.opening import read_lines
from datamodules.images.base import Images
from datamodules.own_columns import joined
from datamodules.series.base import SeriesData
from datamodules.tables.base import TableData
from datamodules.tagging.base import Tagging
from datamodules.tagging.schemes import encode, spans
from datamodules.tokens import Tokens
from experiments import load
from experiments.deployment.export import command
from experiments.deployment.export.command import composed, export
from experiments.deployment.export.formats import write_onnx, write_torch
from experiments.deployment.export.graphs import Graph
from experiments.deployment.export.preprocessing import step_of
from experiments.deployment.export.scripts import files, images, replies, sequences, series, table, tags, words
from experiments.deployment.export.scripts import text as texts
from experiments.deployment.export.scripts.contexts import context_of
from experiments.deployment.export.scripts.shared import number, time_of
from experiments.deployment.export.scripts.tokens import Tokenizer
from modules.members import mean_binary_logits
from tests.test_configs import CONFIGS, EXPERIMENTS, OPTIONS, name_of, options

REFUSED = {
    "tagging/ewt_hmm": "a hidden Markov model is no network",
    "own/text_pairs": "pairs of texts are not exported|it is not known how inputs of SegmentTokens",
}
LINES = ["What is the capital of Holland ?", "a man in a red shirt walks", "hello 1"]


def program(folder: Path) -> Any:
    """The program of an export, as a module."""
    spec = importlib.util.spec_from_file_location(f"predict_{folder.parent.name}", folder / "predict.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inputs_of(data: Data[Any, Any]) -> tuple[Any, Any]:
    """Raw inputs, as ``Model.predict`` takes them and as the program does."""
    if isinstance(data, TableData):
        file = next((data.root / data.folder / name for name in data.files), None)
        table = (data.table() if file is None else pd.read_csv(file)).head(9)
        # What is derived of the columns is derived before the program.
        rows = (table if file is None else data.derive(table.copy())).to_dict("records")
        return table, [{name: None if cell != cell else cell for name, cell in row.items()} for row in rows]
    if isinstance(data, Images):
        paths = sorted(str(path) for path in Path("my_images").glob("*/*.*"))[:6]
        return paths, paths
    if isinstance(data, Tagging):
        sentences = [line.split() for line in Path("tagged/sentences.txt").read_text().splitlines()]
        return sentences, sentences
    if isinstance(data, DialogueData):
        turns = [["hello 1", "good day 1", "how are you"], ["hello 2"], ["I like trains. Do you?"]]
        return turns, turns
    if isinstance(data, CorpusData):
        words = [*data.facts.words[1:5], "unknownword"]
        return words, words
    return LINES, LINES


def compare_series(data: SeriesData, predict: Callable[..., list[dict[str, Any]]], model: Any, folder: Path) -> None:
    with data.file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = model.predict(data.file)
    names = [""] if data.id is None else list(dict.fromkeys(row[data.id] for row in rows))
    found = [
        row
        for name in names
        for row in predict([row for row in rows if data.id is None or row[data.id] == name], folder, name)
    ]
    assert [row[data.facts.time] for row in found] == wanted[data.facts.time].astype(str).tolist()
    for target in data.facts.targets:
        np.testing.assert_allclose([row[target] for row in found], wanted[target], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("samples")
@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_every_network_is_exported_or_refused(
    path: Path, leyden: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("fit", *options(path)) == 0
    model = load(f"runs/{path.stem}/0")
    reason = REFUSED.get(name_of(path))
    if reason is not None:
        with pytest.raises(MisconfigurationException, match=reason):
            export(f"runs/{path.stem}/0")
        return
    folder = export(f"runs/{path.stem}/0")
    said = [line for line in capsys.readouterr().out.splitlines() if "greatest difference" in line]
    assert said
    assert all(float(line.split("difference ")[1].split(",")[0]) <= 1e-4 for line in said)
    predict, data = program(folder).predict, model.data
    if isinstance(data, SeriesData):
        compare_series(data, predict, model, folder)
        return
    given, same = inputs_of(data)
    wanted, found = model.predict(given), pd.DataFrame(predict(same, folder))
    assert len(found) == len(wanted)
    for name in found:
        if isinstance(found[name].iloc[0], float) or "probability" in str(name):
            tolerance = 0.02 if isinstance(data, Images) else 1e-4  # images are resized to the nearest of 256 shades
            for some, others in zip(found[name], wanted[name], strict=True):
                if isinstance(some, str):
                    assert some == others
                    continue
                np.testing.assert_allclose(
                    np.array(some, dtype=float), np.array(others, dtype=float), rtol=tolerance, atol=tolerance
                )
        else:
            assert found[name].tolist() == wanted[name].tolist()


@pytest.fixture
def people(samples: Path, leyden: Callable[..., int]) -> str:
    """A trained table."""
    path = CONFIGS / "own" / "tabular_classification.yaml"
    assert leyden("fit", *options(path), *OPTIONS["own/tabular_classification"], "--name=people") == 0
    return "runs/people/0"


# Refuses all that a program must do without.
ALONE = """
import sys
class Only:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "lightning", "pandas", "experiments", "datamodules", "modules", "yaml"}:
            raise ImportError(f"{name} must not be needed")
sys.meta_path.insert(0, Only())
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_program_needs_nothing_else(people: str) -> None:
    folder = export(people)
    assert folder == Path(people) / "export" / "onnx"
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(folder / "predict.py"), "tables/people.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    Path("found.csv").write_text(done.stdout)
    found, wanted = pd.read_csv("found.csv"), load(people).predict("tables/people.csv")
    assert found["prediction"].tolist() == wanted["prediction"].tolist()
    assert set(found) == set(wanted)
    np.testing.assert_allclose(found["probability"], wanted["probability"], atol=1e-5)
    known = json.loads((folder / "preprocess.json").read_text())
    assert known["networks"] == {"model": {"inputs": ["inputs"], "outputs": ["logits"]}}
    text = (folder / "README.md").read_text()
    assert "pip install numpy onnxruntime\npython predict.py table.csv > predictions.csv" in text
    assert "- `inputs` (batch, fixed)" in text


def test_other_formats(people: str) -> None:
    from safetensors.torch import load_file

    wanted = load(people).predict("tables/people.csv")
    with open("tables/people.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    folder = export(people, "torch")
    found = program(folder).predict(rows, folder)
    np.testing.assert_allclose([row["probability"] for row in found], wanted["probability"], atol=1e-5)
    folder = export(people, "safetensors", output="elsewhere/weights")
    assert folder == Path("elsewhere/weights")
    weights = load_file(folder / "model.safetensors")
    state = load(people).task.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], value) for name, value in state.items())


def test_one_sentence(people: str, leyden: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    from experiments.program import main

    with pytest.raises(SystemExit) as stop:
        main(["export", "--ckpt_path", people, "--format", "tflite"])
    assert stop.value.code == 2
    assert main(["export", "--ckpt_path", "runs/none"]) == 1
    assert "there is no checkpoint runs/none" in capsys.readouterr().err
    Path("tables/people.csv").unlink()
    assert main(["export", "--ckpt_path", people]) == 1
    said = capsys.readouterr().err
    assert "the data of the run cannot be read, and an export is compared on examples: give some with --inputs" in said
    assert not (Path(people) / "export" / "onnx").exists()


def test_what_differs_is_not_kept(people: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_another(graph: Graph, arguments: Any, folder: Path) -> Path:
        with torch.no_grad():
            for parameter in graph.module.parameters():
                parameter.add_(0.01)
            path = write_onnx(graph, arguments, folder)
            for parameter in graph.module.parameters():
                parameter.sub_(0.01)
        return path

    module, name, _ = command.NETWORKS["onnx"]
    monkeypatch.setitem(command.NETWORKS, "onnx", (module, name, write_another))
    with pytest.raises(MisconfigurationException, match=r"the exported network model differs by .* it was not kept"):
        export(people)
    assert not (Path(people) / "export" / "onnx").exists()


def test_a_size_that_got_fixed_is_refused(tmp_path: Path) -> None:
    class Fixed(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs + torch.zeros(len(inputs), 2)

    class Branching(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs if inputs.sum() > 0 else -inputs

    for module, write in ((Fixed(), write_onnx), (Branching(), write_onnx), (Fixed(), write_torch)):
        graph = Graph("model", module, {"inputs": ("batch", "")}, ["outputs"], lambda batch: (batch,))
        with pytest.raises(MisconfigurationException, match=r"the network \w+ \(model\) cannot be exported: \w+"):
            write(graph, (torch.rand(3, 2),), tmp_path)


def test_a_size_with_a_bound_is_left_open(tmp_path: Path) -> None:
    class Bounded(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            torch._check(inputs.shape[1] >= 3)
            return inputs * inputs.mean(1, keepdim=True)

    graph = Graph("model", Bounded(), {"inputs": ("batch", "length")}, ["outputs"], lambda batch: (batch,))
    path = write_torch(graph, (torch.rand(3, 6),), tmp_path)
    longer = torch.rand(2, 9)
    torch.testing.assert_close(torch.export.load(path).module()(longer), Bounded()(longer))


def test_what_is_certain_is_exported_with_all_its_digits(tmp_path: Path) -> None:
    import onnxruntime

    class Labels(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return mean_binary_logits(inputs)

    logits = 2 * torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([14.0, -15.0, 18.0])
    graph = Graph("model", Labels(), {"inputs": ("batch", "", "")}, ["outputs"], lambda batch: (batch,))
    session = onnxruntime.InferenceSession(str(write_onnx(graph, (logits,), tmp_path)))
    probability = logits.double().sigmoid().mean(1)
    absent = (-logits.double()).sigmoid().mean(1)  # 1 - probability would lose them
    wanted = probability.log() - absent.log()
    np.testing.assert_allclose(session.run(None, {"inputs": logits.numpy()})[0], wanted, atol=1e-4)


@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_programs_are_in_one_file(format: Any) -> None:
    for part in (images, sequences):
        text = composed(part, format)
        assert "experiments" not in text
        assert text.splitlines()[0].startswith('"""')
        compile(text, "predict.py", "exec")


@pytest.mark.parametrize("size", [[5, 7], [40, 31], [11]])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_images_are_resized_alike(size: list[int], mode: str) -> None:
    from torchvision.transforms import v2

    pixels = torch.randint(0, 256, (3, 23, 31), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    wanted = v2.Resize(size, v2.InterpolationMode(mode))(pixels).numpy()
    found = images.resize(pixels.numpy(), size, mode == "bicubic")
    assert np.abs(found - wanted).max() <= 1
    assert np.abs(found - wanted).mean() < 0.05


@pytest.mark.parametrize("size", [[5, 7], [40, 31], [23, 40]])
def test_images_are_cropped_alike(size: list[int]) -> None:
    from torchvision.transforms import v2

    pixels = torch.randint(0, 256, (3, 23, 30), dtype=torch.uint8)
    np.testing.assert_array_equal(images.crop(pixels.numpy(), size), v2.CenterCrop(size)(pixels).numpy())


@pytest.mark.parametrize(
    "how", [NumberFormat(unit="m"), NumberFormat(",", ".", "€"), NumberFormat(unit="%"), NumberFormat()]
)
def test_numbers_are_read_alike(how: NumberFormat) -> None:
    column = {"name": "x", "format": list(how), "needs_unit": how.needs_unit, "pattern": how.pattern}
    for text in (
        "12 m",
        "12m",
        "12 mm",
        "-1",
        "-€ 1.234,5",
        "1,5€",
        "12 %",
        "7",
        "m",
        "1_0",
        "\uff11\uff12",
        "1e400",
        "inf",
        "1,2345.5",
        12,
        1.5,
    ):
        wanted = float("nan" if how.needs_unit else text) if not isinstance(text, str) else None
        wanted = parse(pa.array([text], pa.large_string()), how)[0] if wanted is None else wanted
        try:
            found = number(text, column, ())
        except ValueError:
            found = math.nan
        assert found == wanted or (found != found and wanted != wanted), text


@pytest.fixture
def ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """Runs the program of an export, and tells its output and with which sentence it ended."""

    def run(program: Any, facts: dict[str, Any], *given: str) -> tuple[str, str]:
        (tmp_path / "preprocess.json").write_text(json.dumps(facts))
        (tmp_path / "predict.py").write_text(composed(program, "onnx"))
        monkeypatch.setattr(sys, "argv", ["predict.py", *given])
        monkeypatch.chdir(tmp_path)
        said = ""
        try:
            runpy.run_path("predict.py", run_name="__main__")
        except SystemExit as end:
            said = str(end)
        return capsys.readouterr().out, said

    return run


WRONG = [
    (texts, "a.csv"),
    (words, "a.parquet"),
    (replies, "a.jsonl"),
    (sequences, "a.tsv"),
    (tags, "a.conll"),
]


@pytest.mark.parametrize(("program", "name"), WRONG)
def test_other_files_are_no_lines_of_text(program: Any, name: str, tmp_path: Path, ended: Any) -> None:
    (tmp_path / name).write_text("text,label\ngood,1\n")
    found, said = ended(program, {}, name)
    assert not found
    assert said.startswith(f"{name} is no .txt: give a text file")


def test_programs_name_what_they_cannot_read(tmp_path: Path, ended: Any) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "old.txt").write_bytes(b"caf\xe9")
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    (tmp_path / "rows.csv").write_text("a;b\n1;2\n1;2;3\n")
    column = {
        "name": "a",
        "kind": "number",
        "format": [".", "", ""],
        "needs_unit": False,
        "pattern": NumberFormat().pattern,
    }
    facts: dict[str, Any] = {
        "columns": [column],
        "missing": [],
        "not_written": [],
        "mean": [0],
        "std": [1],
        "channels": 1,
    }
    facts |= {"time": "day", "targets": ["a"], "past": [], "known": [], "id": None}
    for program in (images, texts, table, series):
        assert ended(program, facts, "folder")[1] == "folder is a folder: name the files in it"
        assert ended(program, facts, "none")[1] == "there is no file none"
        assert "python predict.py " in ended(program, facts)[1]
    assert "python predict.py texts.txt" in ended(texts, facts, "old.txt", "b.txt")[1]  # which would be left out
    assert ended(texts, facts, "old.txt")[1] == "old.txt is no text in UTF-8: save it as such"
    assert ended(table, facts, "rows.xlsx")[1] == "rows.xlsx is no .csv: save the table as CSV"
    assert ended(table, facts, "rows.csv")[1] == "rows.csv has a row with more cells than columns"
    assert ended(series, facts, "rows.csv")[1] == "rows.csv has no column day (but a, b)"


def test_lines_end_where_the_run_ends_them(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\u2028still one\r\n\ntwo\x0c", encoding="utf-8", newline="")
    assert files.lines_of(str(path)) == ["one\u2028still one", "", "two\x0c"] == list(read_lines(path))


def test_programs_tell_what_they_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tokenizer.json").write_text(Tokens.learn(["one two three"], "words").json)
    tokenizer = Tokenizer(tmp_path, 0, 2)
    tokenizer.encode(["one two", "one"])
    tokenizer.tell_cut(2)
    assert capsys.readouterr().err == ""
    tokenizer.encode(["one two", "one two three"])
    tokenizer.tell_cut(2)
    assert capsys.readouterr().err == "1 of 2 texts are too long: their ends are not read\n"
    facts = {"first": [], "last": [], "room": 3, "num_turns": 9, "is_own": True, "special": 3, "me": [3], "you": [2]}
    tokenizer = Tokenizer(tmp_path, 0, None)
    for turns, cut in ((["one two three", "one two"], 0), (["one", "one two three"], 1)):
        tokenizer.num_cut = 0
        context_of(turns, tokenizer, facts)
        assert tokenizer.num_cut == cut


def test_whole_programs_tell_what_they_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tokenizer", "source_tokenizer", "target_tokenizer"):
        (tmp_path / f"{name}.json").write_text(Tokens.learn(["one two three"], "words").json)
    facts = {"classes": ["a"], "calibration": None, "buckets": 0, "pad": 0, "max_length": 2, "limit": 2}
    (tmp_path / "preprocess.json").write_text(json.dumps(facts))
    monkeypatch.setattr(texts, "Network", lambda folder: lambda tokens: {"logits": np.zeros((len(tokens), 1))})
    assert len(texts.predict(["one two three", "two", "one two"], tmp_path)) == 3
    assert capsys.readouterr().err == "1 of 3 texts are too long: their ends are not read\n"
    facts = {"is_dialogue": False, "longest": 3, "pad": 0, "limit": None}
    (tmp_path / "preprocess.json").write_text(json.dumps(facts))
    monkeypatch.setattr(sequences, "Network", lambda folder, name: None)
    monkeypatch.setattr(sequences, "search", lambda ids, *rest: ids[:-1])
    found = sequences.predict(["one two three", "two", "one two"], tmp_path)
    assert [row["translation"] for row in found] == ["one two", "two", "one two"]
    assert capsys.readouterr().err == "1 of 3 texts are too long: their ends are not read\n"


SERIES: dict[str, Any] = {
    "time": "t", "id": None, "targets": ["y"], "past": [], "known": [], "calendar": [], "series": [""], "context": 3,
    "horizon": 2, "known_mean": [], "known_std": [], "scale": "none", "mean": [[0.0]], "std": [[1.0]], "quantiles": [],
    "calibration": None, "date_order": "",
}  # fmt: skip
NUMBERS = {"name": "y", "format": [".", "", ""], "needs_unit": False, "pattern": NumberFormat().pattern}


@pytest.fixture
def forecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """What the program makes of rows, where the network repeats the last value."""

    def predict(rows: list[dict[str, Any]], **facts: Any) -> list[dict[str, Any]]:
        known = SERIES | {"columns": {"y": NUMBERS, "z": NUMBERS}, "step": step_of("D")} | facts
        (tmp_path / "preprocess.json").write_text(json.dumps(known))
        network = lambda history, known: {"forecast": np.repeat(history[:, -1:, :, None], 2, 1)}  # noqa: E731
        monkeypatch.setattr(series, "Network", lambda folder: network)
        return series.predict(rows, tmp_path)

    return predict


@pytest.mark.parametrize(
    ("frequency", "first", "form", "order"),
    [
        ("D", "2024-02-27", "%Y-%m-%d", ""),
        ("6h", "2024-02-27", "%Y-%m-%d %H:%M", ""),
        ("W-SUN", "2024-02-25", "%d.%m.%Y", "dmy"),
        ("MS", "2024-01-01", "%Y-%m", ""),
        ("2MS", "2024-01-01", "%m/%d/%Y", "mdy"),
        ("ME", "2023-11-30", "%d-%m-%y", "dmy"),
        ("QE-DEC", "2023-06-30", "%Y-%m-%d", ""),
        ("YS", "2020-01-01", "%Y-%m-%d %H:%M:%S", ""),
        ("B", "2024-02-27", "%d/%m/%Y 07:30", "dmy"),
        ("2B", "2024-02-27", "%y-%m-%d", "ymd"),
    ],
)
def test_programs_know_the_next_times(
    forecast: Callable[..., Any], frequency: str, first: str, form: str, order: str
) -> None:
    times = pd.date_range(first, periods=12, freq=frequency).strftime(form).tolist()
    rows = [{"t": time, "y": str(k)} for k, time in enumerate(times[:10])]
    for given in (rows, rows[::-1], rows[5:] + rows[:5]):  # in any order
        found = forecast(given, step=step_of(frequency), date_order=order)
        assert found == [{"t": time, "y": 9.0} for time in times[10:]]
    for wrong in (rows[:8] + rows[9:], rows[:9] + rows[8:]):  # a gap, a time that stands twice
        with pytest.raises(ValueError, match="a row for each step is needed"):
            forecast(wrong, step=step_of(frequency), date_order=order)


def test_programs_keep_series_and_covariates(forecast: Callable[..., Any]) -> None:
    days = [f"2024-02-0{k}" for k in range(1, 6)]
    rows = [{"t": day, "id": "", "z": str(k % 2), "y": "5" if k < 3 else ""} for k, day in enumerate(days)]
    found = forecast(rows, id="id", known=["z"], known_mean=[0.0], known_std=[1.0])
    assert [list(row.items()) for row in found] == [
        [("t", "2024-02-04"), ("id", ""), ("y", 5.0), ("z", "1")],
        [("t", "2024-02-05"), ("id", ""), ("y", 5.0), ("z", "0")],
    ]


def test_programs_refuse_steps_that_they_do_not_know() -> None:
    with pytest.raises(MisconfigurationException, match="a step of `SMS` is not exported"):
        step_of("SMS")


def test_a_gap_in_a_series_is_no_number(forecast: Callable[..., Any]) -> None:
    rows = [{"t": f"2024-01-0{k}", "y": "1", "z": "2"} for k in range(1, 6)]
    assert len(forecast(rows)) == 2
    for name, facts in (("y", {}), ("z", {"past": ["z"], "mean": [[0.0, 0.0]], "std": [[1.0, 1.0]]})):
        for cell, said in (("", "a cell of y.* is empty"), ("NaN", f"{name}: 'NaN' is not a number")):
            bad = [*rows[:3], rows[3] | {name: cell}, rows[4]]
            column = NUMBERS | {"name": name}
            with pytest.raises(ValueError, match=said):
                forecast(bad, **facts, columns={"y": NUMBERS, "z": column})


@pytest.mark.parametrize("text", ["01/02/2024 01:00 PM", "2024W05", "20240105", "1.2", "2024-13-01", "31.02.2024"])
def test_times_that_a_program_cannot_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time that this program can read|day is out of range"):
        time_of(text, "dmy")


def test_programs_mark_chunks_as_the_run_does() -> None:
    names = ["O", "B-A", "I-A", "E-A", "S-A", "B-B", "E-B", "I-B"]
    for seed in range(300):
        some = np.random.default_rng(seed).choice(names, 6).tolist()
        assert tags.as_iob2(some) == encode(spans(some), len(some), "IOB2")


def test_own_columns_stay_in_the_table_of_a_program() -> None:
    names: dict[str, Any] = {"__name__": "predict"}
    exec(composed(table, "onnx"), names)
    of_program = names["joined"]
    for given in ({"set": 1, "a": 2}, {"set": 1, "given_set": 2}, {"given_set": 1, "set": 2}, {"a": 1}):
        found = of_program(given, {"set": "x"})
        assert found == joined(given, {"set": "x"})
    assert of_program({"set": 1, "given_set": 2}, {"set": "x"}) == {"given_given_set": 1, "given_set": 2, "set": "x"}


def test_a_fault_ends_a_program_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no image")
    column = {"name": "x", "format": [".", "", ""], "needs_unit": False, "pattern": NumberFormat().pattern}
    with pytest.raises(SystemExit, match="cannot identify image file"):
        files.run(lambda path: [{"pixels": images.pixels_of(path, 1)}], tmp_path / "notes.jpg")
    with pytest.raises(SystemExit, match="x: 'many' is not a number"):
        files.run(lambda cell: [{"number": number(cell, column, ())}], "many")
