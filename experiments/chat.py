"""``leyden chat``: talk to a trained dialogue."""

import argparse
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import Examples
from datamodules.dialogue.base import DialogueData
from datamodules.dialogue.reading import Dialogue, Dialogues
from datamodules.sampling import BatchIndices
from experiments.deployment.model import load
from modules.dialogue import ResponseSelector
from modules.nets.seq2seq.search import Sampling
from modules.translation import Translator


class Chat:
    """A conversation with a trained model.

    Args:
        path: A run folder or a checkpoint of a ``Translator`` or a ``ResponseSelector`` on dialogues.
        temperature: 0 for the best reply; above 0 replies are drawn by chance, more daringly the higher it is.

    Raises:
        MisconfigurationException: If the checkpoint holds anything else, or the temperature is negative.
    """

    def __init__(self, path: str | Path, temperature: float = 0.0) -> None:
        if not 0 <= temperature < math.inf:
            raise MisconfigurationException(f"--temperature is {temperature}; it must be at least 0, and finite")
        task, data = load(path)
        if not isinstance(data, DialogueData) or not isinstance(task, Translator | ResponseSelector):
            raise MisconfigurationException(
                f"{path} is a {type(task).__name__} of {type(data).__name__}; to chat, train on dialogues"
            )
        if isinstance(task, Translator):
            drawn = task.sampling or Sampling()
            task.sampling = Sampling(temperature, drawn.top_k, drawn.top_p) if temperature else None
        else:
            task.temperature = temperature
        self.task, self.data = task, data
        self.turns: list[str] = []

    def forget(self) -> None:
        """Begin a new conversation."""
        self.turns.clear()

    @torch.inference_mode()
    def reply(self, said: str) -> str:
        """The reply to something said, which both become part of the conversation."""
        self.turns.append(said)
        context: Examples = self.data.examples(Dialogues([Dialogue(self.turns)], rows=[{}]), train=False)
        row = self.task.predict_step(context.__getitems__(BatchIndices([0])), 0)[0]
        replies = [text for name, text in row.items() if name.startswith("reply")]
        # Who chooses among given replies would often say the same again, or what was just said.
        reply: str = next((text for text in replies if text not in self.turns), replies[0])
        self.turns.append(reply)
        return reply

    def talk(self, lines: Iterable[str]) -> Iterator[str]:
        """A reply to each line; an empty line is answered with an empty one and begins a new conversation."""
        for line in lines:
            said = line.strip()
            if not said:
                self.forget()
            yield self.reply(said) if said else ""


def main(args: list[str]) -> int:
    """Run ``leyden chat``.

    Returns:
        Exit code 0.
    """
    parser = argparse.ArgumentParser(
        prog="leyden chat",
        description="Talk to a model trained on dialogues. An empty line begins a new conversation, Ctrl-D ends it; "
        "in a pipe, each line is answered by one line.",
    )
    parser.add_argument("--ckpt_path", required=True, help="a run folder or a checkpoint file")
    parser.add_argument("--temperature", type=float, default=0.0, help="0: the best reply; above: drawn by chance")
    parser.add_argument("--seed", type=int, default=0, help="seed of chance")
    options = parser.parse_args(args)
    torch.manual_seed(options.seed)
    chat = Chat(options.ckpt_path, options.temperature)
    asking = sys.stdin.isatty()
    try:
        for reply in chat.talk(_typed() if asking else _piped()):
            if reply or not asking:
                print(reply, flush=True)
    except KeyboardInterrupt:
        print()
    except BrokenPipeError:  # whoever read the replies has gone
        sys.stderr.close()
    return 0


def _typed() -> Iterator[str]:
    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return


def _piped() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MisconfigurationException(f"line {number} of the input is not UTF-8: {error}") from error
