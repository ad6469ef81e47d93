import itertools
import math

import pytest
import torch
from torch import Tensor

from datamodules.types import BEGIN, END, PAD
from modules.nets.seq2seq.attention import MultiplicativeAttention
from modules.nets.seq2seq.encoder_decoder import EncoderDecoder
from modules.nets.seq2seq.recurrent import RecurrentSeq2Seq
from modules.nets.seq2seq.search import Sampling, beam_search, write
from modules.nets.seq2seq.transformer import Transformer

TOKENS = 7  # four special ones and three words
LONGEST = 4


def nets() -> dict[str, EncoderDecoder]:
    torch.manual_seed(3)
    made: dict[str, EncoderDecoder] = {
        "gru": RecurrentSeq2Seq(9, TOKENS, 8, 12),
        "lstm": RecurrentSeq2Seq(9, TOKENS, 8, 12, 2, "lstm", MultiplicativeAttention, input_feeding=False),
        "transformer": Transformer(9, TOKENS, 8, 2, 2, 16),
    }
    for net in made.values():
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.7)  # untrained ones are all but indifferent
    return {name: net.eval() for name, net in made.items()}


NETS = nets()
SOURCE = torch.tensor([[5, 6, 7, 8, 3], [8, 4, 3, 0, 0], [6, 3, 0, 0, 0]])
LIMITS = torch.tensor([LONGEST, LONGEST - 1, LONGEST])


def log_probability(net: EncoderDecoder, source: Tensor, target: list[int]) -> float:
    logits = net(source[None], torch.tensor([[BEGIN, *target[:-1]]]))[0].float()
    logits[:, :END] = -math.inf
    return logits.log_softmax(1)[torch.arange(len(target)), target].sum().item()


def brute_force(
    net: EncoderDecoder, source: Tensor, limit: int, length_penalty: float
) -> list[tuple[float, list[int]]]:
    words = range(END + 1, TOKENS)
    targets = [[*t, END] for n in range(limit) for t in itertools.product(words, repeat=n)]
    targets += [list(t) for t in itertools.product(words, repeat=limit)]  # those without an end
    scored = [(log_probability(net, source, t) / len(t) ** length_penalty, [x for x in t if x != END]) for t in targets]
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("name", NETS)
def test_a_beam_wider_than_the_space_finds_what_enumeration_finds(name: str, length_penalty: float) -> None:
    net = NETS[name]
    with torch.no_grad():
        found = beam_search(net, SOURCE, LIMITS, 4 * 3**LONGEST, length_penalty)
        for source, limit, hypotheses in zip(SOURCE, LIMITS.tolist(), found, strict=True):
            best = brute_force(net, source[source != PAD], limit, length_penalty)[0]
            assert hypotheses[0].tokens == best[1]
            assert hypotheses[0].score == pytest.approx(best[0], abs=1e-5)


def plain_beam(net: EncoderDecoder, source: Tensor, limit: int, width: int, length_penalty: float) -> list[int]:
    """The same search with lists, one source at a time, every prefix read anew."""
    opened, done = [(0.0, [])], []
    for length in range(1, limit + 1):
        longer = []
        for _, prefix in opened:
            for word in range(END, TOKENS):
                longer.append((log_probability(net, source, [*prefix, word]), [*prefix, word]))
        longer.sort(reverse=True)
        done += [(s / length**length_penalty, t[:-1]) for s, t in longer[:width] if t[-1] == END]
        opened = [(s, t) for s, t in longer if t[-1] != END][:width]
        if length == limit:
            done += [(s / length**length_penalty, t) for s, t in opened]
        elif len(done) >= width:
            break
    return max(done)[1]


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("name", NETS)
def test_a_narrow_beam_does_what_a_plain_one_does(name: str, width: int) -> None:
    torch.manual_seed(0)
    source = torch.randint(4, 9, (12, 5))
    source[::2, 3:] = torch.tensor([3, 0])
    limits = torch.arange(12) % 4 + 3
    with torch.no_grad():
        found = beam_search(NETS[name], source, limits, width, 1.0)
        for row, limit, hypotheses in zip(source, limits.tolist(), found, strict=True):
            assert hypotheses[0].tokens == plain_beam(NETS[name], row[row != PAD], limit, width, 1.0)


@pytest.mark.parametrize("name", NETS)
def test_greedy_takes_the_best_token_each_time(name: str) -> None:
    net = NETS[name]
    texts = write(net, SOURCE, LIMITS)
    for source, limit, text in zip(SOURCE, LIMITS.tolist(), texts, strict=True):
        expected: list[int] = []
        while len(expected) < limit:
            with torch.no_grad():
                logits = net(source[source != PAD][None], torch.tensor([[BEGIN, *expected]]))[0, -1]
            logits[:END] = -math.inf
            expected.append(int(logits.argmax()))
            if expected[-1] == END:
                break
        assert text == [token for token in expected if token != END]


@pytest.mark.parametrize("name", NETS)
def test_cached_steps_give_what_teacher_forcing_gives_for_each_hypothesis(name: str) -> None:
    net, width = NETS[name], 3
    target = torch.randint(4, TOKENS, (len(SOURCE) * width, 5), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net.decode(target, net.encode(SOURCE.repeat_interleave(width, 0)))
        memory = net.encode(SOURCE)
        state = net.start(memory, width)
        for position in range(5):
            features, state = net.step(target[:, position].view(-1, width), memory, state)
            torch.testing.assert_close(features.flatten(0, 1), expected[:, position])


def test_sampling_follows_the_probabilities() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([[0.0, 1.0, 2.0, 3.0]])

    def frequencies(**options: float) -> Tensor:
        drawn = Sampling(**options)(logits.expand(20000, -1))  # type: ignore[arg-type]
        return drawn.bincount(minlength=4) / 20000

    torch.testing.assert_close(frequencies(), logits[0].softmax(0), atol=0.01, rtol=0)
    torch.testing.assert_close(frequencies(temperature=2.0), (logits[0] / 2).softmax(0), atol=0.01, rtol=0)
    torch.testing.assert_close(frequencies(top_k=2)[2:], logits[0, 2:].softmax(0), atol=0.01, rtol=0)
    # 0.644 + 0.237 is the first sum that reaches 0.7
    torch.testing.assert_close(frequencies(top_p=0.7)[2:], logits[0, 2:].softmax(0), atol=0.01, rtol=0)
    assert frequencies(top_p=0.7)[:2].sum() == 0
    assert frequencies(top_p=0.1)[3] == 1


def test_sampling_writes_targets_by_chance() -> None:
    torch.manual_seed(0)
    texts = {tuple(write(NETS["gru"], SOURCE, LIMITS, Sampling())[0]) for _ in range(30)}
    assert len(texts) > 3
    with pytest.raises(ValueError, match="temperature"):
        Sampling(temperature=0)
