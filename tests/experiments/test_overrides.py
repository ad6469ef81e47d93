import pytest
import torch
from jsonargparse import ArgumentParser

from experiments import cli  # noqa: F401 - installs what is tested
from modules.regression import Regressor

ADAMW = "{class_path: torch.optim.AdamW, init_args: {lr: 0.02, weight_decay: 0.3}}"


@pytest.mark.parametrize(
    ("words", "name", "lr", "weight_decay"),
    [
        ([], "AdamW", 1e-3, 0.01),
        (["--m.optimizer.lr", "0.1"], "AdamW", 0.1, 0.01),
        (["--m.optimizer", "torch.optim.Adam"], "Adam", 1e-3, 0.0),
        (["--m.optimizer", "torch.optim.SGD", "--m.optimizer.lr", "0.3"], "SGD", 0.3, 0.0),
        (["--m.optimizer", "{class_path: torch.optim.RMSprop, init_args: {lr: 0.2}}"], "RMSprop", 0.2, 0.0),
        (["--m.optimizer", ADAMW, "--m.optimizer", "torch.optim.SGD"], "SGD", 0.02, 0.3),
    ],
)
def test_another_class_has_its_own_defaults_and_keeps_what_was_given(words, name, lr, weight_decay):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Regressor, "m")
    task = parser.instantiate(parser.parse_args(["--m.net", "torch.nn.Linear", *words])).m
    optimizer = task.optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert type(optimizer).__name__ == name
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (lr, weight_decay)
