"""Words and their neighbours on the board."""

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.callbacks.figures.base import DPI
from experiments.callbacks.figures.vectors import VectorFigures, map_figure, neighbours, plane
from experiments.commands.configs import CONFIGS


def test_a_fit_shows_a_map_and_neighbours(leyden: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat sees the dog\nthe dog sees the cat\n" * 200)
    words = ["--data.path", "text.txt", "--data.word_lists=false", "--trainer.max_epochs=1", "--figures=true"]
    assert leyden("fit", "--config", CONFIGS / "own" / "embedding.yaml", *words) == 0
    board = EventAccumulator("runs/embedding/0").Reload()
    assert "val/words" in board.Tags()["images"]
    (event,) = board.Tensors("val/neighbours/text_summary")
    assert "- **the** (800): " in event.tensor_proto.string_val[0].decode()
    assert Path("runs/embedding/0/pictures/val_words.png").is_file()


def test_neighbours_are_the_nearest_by_their_cosines() -> None:
    vectors = F.normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    for word, near in neighbours(vectors, [3, 7], [0, *range(8, 0, -1)], 1, 3):
        cosines = {other: float(vectors[word] @ vectors[other]) for other in range(1, 9) if other != word}
        best = sorted(cosines, key=lambda other: -cosines[other])[:3]
        assert [other for _, other in near] == best
        assert [cosine for cosine, _ in near] == pytest.approx([cosines[other] for other in best], abs=1e-6)


def test_words_to_begin_with_are_frequent_but_not_near_to_one_before() -> None:
    vectors = F.normalize(torch.tensor([[0.0, 0], [1, 0], [1, 0.1], [0, 1], [0.1, 1], [-1, 0]]), dim=1)
    assert [word for word, _ in neighbours(vectors, [], [0, 9, 8, 7, 6, 5], 3, 1)] == [1, 3, 5]
    many = torch.eye(202)
    counts = [0, 1_000_000] + [50] * 200  # the first makes up most of the text
    assert next(word for word, _ in neighbours(many, [], counts, 2, 1)) == 2


def test_plane_of_the_principal_components() -> None:
    from sklearn.decomposition import PCA

    vectors = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 2, 1, 1, 1])
    points, share = plane(vectors)
    reference = PCA(2).fit(vectors.numpy())
    expected = torch.from_numpy(reference.transform(vectors.numpy()))
    assert torch.allclose(points.abs().float(), expected.abs().float(), atol=1e-4)
    assert share == pytest.approx(float(reference.explained_variance_ratio_.sum()), abs=1e-5)
    assert torch.equal(plane(vectors)[0], points)
    assert plane(torch.ones(3, 5))[1] == 0


def test_no_word_lies_on_another_or_is_cut() -> None:
    points = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) ** 3  # crowded in a corner
    words = [f"word-number-{i}" if i % 5 else "w" for i in range(40)]
    figure = map_figure(points.double(), 0.25, words, [i // 5 for i in range(40)], [i % 5 == 0 for i in range(40)])
    assert [text.get_text() for text in figure.texts] == [*words, "two principal components, 25% of the variance"]
    assert {text.get_fontsize() for text in figure.texts[:-1]} == {9.0}  # points: 10 of 320 pixels
    width, height = figure.get_size_inches() * figure.dpi
    assert width / figure.dpi * DPI <= 2.2 * 360
    boxes = [text.get_window_extent() for text in figure.texts]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_a_word_without_a_vector_is_refused_and_vectors_that_are_no_numbers_are_not_drawn() -> None:
    weight = torch.ones(4, 2)
    facts = SimpleNamespace(word_counts=[0, 3, 2, 1])
    task: Any = SimpleNamespace(words=["", "a", "b", "c"], inner=SimpleNamespace(weight=weight), facts=facts)
    trainer: Any = SimpleNamespace(is_global_zero=True)
    with pytest.raises(MisconfigurationException, match=r"VectorFigures\.words has `d`, which has no vector"):
        VectorFigures(words=["a", "d"]).show(trainer, task, "val")
    weight[2, 0] = torch.nan
    VectorFigures().show(trainer, task, "val")
