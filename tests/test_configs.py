"""Every config is parsed against the real signatures, and fits, tests and predicts on tiny samples."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.callbacks.checkpointing import RunCheckpoint
from tests.parsing import parse

CONFIGS = Path(__file__).parents[1] / "configs"
OVERLAYS = sorted((CONFIGS / "trainer").glob("*.yaml"))
STUDIES = sorted((CONFIGS / "studies").glob("*.yaml"))
EXPERIMENTS = sorted({*CONFIGS.glob("*/*.yaml")} - {*OVERLAYS, *STUDIES})
# Own data: what the user would type. And sizes that a small machine bears.
OPTIONS: dict[str, list[str]] = {
    "own/images": ["--data.path=my_images", "--model.net.weights=null"],  # no download
    "own/image_table": ["--data.path=my_images/labels.csv", "--model.net.weights=null"],
    "transfer_learning/hymenoptera_resnet18": ["--model.net.weights=null"],
    "image_classification/imagenet_resnet50": ["--data.batch_size=2"],
    "own/regression": ["--data.path=tables/people.csv", "--data.target=income"],
    "own/tabular_classification": ["--data.path=tables/people.csv", "--data.target=city"],
    "own/text": ["--data.path=texts/reviews.csv"],
    "own/text_labels": ["--data.path=texts/films.csv", "--data.target=genres"],
    "own/text_number": ["--data.path=texts/films.csv", "--data.target=minutes"],
    "own/text_pairs": ["--data.path=texts/pairs.csv"],
    "own/tabular_labels": ["--data.path=tables/hobbies.csv", "--data.target=hobbies"],
    "own/image_labels": ["--data.path=my_images/tags.csv", "--model.net.weights=null"],
    "own/image_number": ["--data.path=my_images/tags.csv"],
    "own/tagging": ["--data.path=tagged"],
    "own/forecasting": ["--data.path=series/shops.csv", "--data.id=shop", "--data.target=sales"],
    "own/embedding": ["--data.path=texts/book.txt"],
    "own/translation": ["--data.path=multi30k"],
    "own/dialogue": ["--data.path=turns.jsonl"],
}
PREDICT = {
    "own/images": "my_images",
    "own/images_from_scratch": "my_images",
    "own/image_table": "my_images",
    "image_classification": "my_images",
    "transfer_learning": "my_images",
    "own/regression": "tables/people.csv",
    "own/tabular_classification": "tables/people.csv",
    "regression/california_tabm": "california_housing/housing.csv",
    "regression/diamonds_tabm": "diamonds/diamonds.csv",
    "tabular_classification/adult_ft_transformer": "adult/adult.test",
    "tabular_classification/adult_tabm": "adult/adult.test",
    "own/text": "texts/unlabelled.txt",
    "own/text_labels": "texts/unlabelled.txt",
    "own/text_number": "texts/films.csv",
    "own/text_pairs": "texts/pairs.csv",
    "own/tabular_labels": "tables/hobbies.csv",
    "own/image_labels": "my_images",
    "own/image_number": "my_images/tags.csv",
    "text_classification": "texts/unlabelled.txt",
    "translation": "texts/unlabelled.txt",
    "own/translation": "texts/unlabelled.txt",
    "dialogue": "texts/unlabelled.txt",
    "own/dialogue": "texts/unlabelled.txt",
    "tagging": "tagged/sentences.txt",
    "own/tagging": "tagged/sentences.txt",
    "own/forecasting": "series/shops.csv",
}


def name_of(path: Path) -> str:
    return str(path.relative_to(CONFIGS).with_suffix(""))


def test_there_are_configs() -> None:
    assert len(EXPERIMENTS) > 35
    assert len({path.stem for path in EXPERIMENTS if not path.stem.startswith("own_")}) == len(
        [path for path in EXPERIMENTS if not path.stem.startswith("own_")]
    )


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_config_is_short_and_says_how_to_run_it(path: Path) -> None:
    text = path.read_text()
    assert f"leyden fit --config configs/{name_of(path)}.yaml" in text
    assert len([line for line in text.splitlines() if line.strip() and not line.startswith("#")]) <= 60
    assert {"model", "data"} <= set(yaml.safe_load(text))


@pytest.mark.parametrize("path", OVERLAYS, ids=name_of)
def test_overlay_is_parsed(path: Path) -> None:
    parse(["fit", "--config", str(CONFIGS / "image_classification" / "digits.yaml"), "--config", str(path)])


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_config_is_parsed(path: Path) -> None:
    parse(["fit", "--config", str(path), *OPTIONS.get(name_of(path), [])])


@pytest.mark.parametrize("path", STUDIES, ids=name_of)
def test_study_is_checked(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.study.options import read_options
    from experiments.study.plan import Plan

    monkeypatch.chdir(tmp_path)
    assert f"leyden study --config configs/{name_of(path)}.yaml" in path.read_text()
    Plan(read_options(["--config", str(path)])).check()


def one_a_task_and_the_rest_slow() -> list[Any]:
    quick = {path.parent: path for path in reversed(EXPERIMENTS)}.values()
    return [path if path in quick else pytest.param(path, marks=pytest.mark.slow) for path in EXPERIMENTS]


def options(path: Path) -> list[str]:
    return [f"--config={path}", f"--config={CONFIGS / 'trainer' / 'debug.yaml'}", *OPTIONS.get(name_of(path), [])]


@pytest.mark.usefixtures("samples")
@pytest.mark.parametrize("path", one_a_task_and_the_rest_slow(), ids=name_of)
def test_config_runs(path: Path, leyden: Callable[..., int]) -> None:
    run = f"runs/{path.stem}/0"
    assert leyden("fit", *options(path), "--trainer.deterministic=true") == 0
    assert leyden("test", "--ckpt_path", run, "--trainer.limit_test_batches=2") == 0
    raw = PREDICT.get(name_of(path), PREDICT.get(path.parent.name))
    if raw is not None:
        assert leyden("predict", "--ckpt_path", run, f"--data.predict_path={raw}") == 0


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.slow
@pytest.mark.usefixtures("samples")
@pytest.mark.parametrize("path", EXPERIMENTS, ids=name_of)
def test_config_resumes_exactly(
    path: Path, leyden: Callable[..., int], differences: Callable[[Path, Path], list[str]]
) -> None:
    words = [*options(path), "--trainer.max_epochs=2", "--checkpoint.every_n_train_steps=2"]
    starts = []
    start = RunCheckpoint.on_train_batch_start

    def counted(self: RunCheckpoint, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        start(self, trainer, module, batch, batch_idx)
        starts.append(batch_idx)
        if len(starts) == last:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunCheckpoint, "on_train_batch_start", counted)
        last = 0
        assert leyden("fit", *words, "--name=whole") == 0
        last, starts = len(starts) - len(starts) // 3, []
        with pytest.raises(Killed):
            leyden("fit", *words, "--name=parts")
    if not Path("runs/parts/0/checkpoints/last.ckpt").exists():
        pytest.skip("a single step leaves nothing to go on from")
    assert leyden("fit", "--ckpt_path", "runs/parts/0") == 0
    assert differences(*(Path(f"runs/{run}/0/checkpoints/last.ckpt") for run in ("whole", "parts"))) == []
