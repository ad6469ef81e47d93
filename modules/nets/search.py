"""Writing with a trained network: greedily, by beam search or by chance."""

import torch
from torch import Tensor

from modules.nets.seq2seq import BEGIN, END, PAD, EncoderDecoder, Tensors


def pick(tensors: Tensors, rows: Tensor) -> Tensors:
    """Those rows of a memory or a state."""
    return {name: tensor.index_select(0, rows) for name, tensor in tensors.items()}


def greedy(net: EncoderDecoder, source: Tensor, max_lengths: Tensor) -> list[list[int]]:
    """The most probable token at every step.

    Args:
        net: The network, in evaluation mode.
        source: ``(batch, source)``.
        max_lengths: Longest target of each source, ``(batch)``, the end included.

    Returns:
        The tokens of each target, without begin and end.
    """
    memory = net.encode(source)
    state = net.start(memory, 1)
    open_ = torch.arange(len(source), device=source.device)  # (open), which sources have no end yet
    written = torch.full((len(source), int(max_lengths.max())), PAD, device=source.device)  # (batch, longest)
    tokens = torch.full((len(source), 1), BEGIN, device=source.device)  # (open, 1)
    for position in range(written.shape[1]):
        features, state = net.step(tokens, memory, state)  # (open, 1, features)
        logits = net.output(features)  # (open, 1, tokens)
        logits[:, :, (PAD, BEGIN)] = -torch.inf
        tokens = logits.argmax(2)  # (open, 1)
        written[open_, position] = tokens[:, 0]
        going = (tokens[:, 0] != END) & (position + 1 < max_lengths[open_])  # (open)
        if not going.all():
            rows = going.nonzero()[:, 0]  # (still open)
            if not len(rows):
                break
            open_, tokens, memory, state = open_[rows], tokens[rows], pick(memory, rows), pick(state, rows)
    return [[token for token in row if token not in (PAD, END)] for row in written.tolist()]
