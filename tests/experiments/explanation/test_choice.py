"""What cannot be explained is refused."""

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from datamodules.types import ClassFacts, TaggingFacts
from experiments.explanation.choice import explainer_of, find_explainer
from modules.classification import Classifier
from modules.tagging import HMMTagger


def test_what_is_neither_class_nor_number() -> None:
    with pytest.raises(MisconfigurationException, match="the predictions of HMMTagger cannot be explained: classes, l"):
        find_explainer(HMMTagger(), TaggingFacts)


def test_what_is_neither_table_nor_image_nor_text() -> None:
    task = Classifier(net=nn.Linear)
    task.use(ClassFacts(num_inputs=2, classes=["a", "b"], class_counts=[1, 1]))
    with pytest.raises(MisconfigurationException, match="predictions from classes cannot be explained: those from tab"):
        explainer_of(task, None)
