import math

import pytest
import torch
import torch.nn.functional as F

from modules.nets.seq2seq.attention import AdditiveAttention, MultiHeadAttention, MultiplicativeAttention

BATCH, QUERIES, SOURCE, QUERY, MEMORY, SIZE = 2, 3, 4, 6, 10, 5
PADDING = torch.tensor([[False, False, False, True], [False, False, False, False]])


def test_additive_attention_is_bahdanaus_formula() -> None:
    torch.manual_seed(0)
    attention = AdditiveAttention(QUERY, MEMORY, SIZE)
    query, memory = torch.randn(BATCH, QUERIES, QUERY), torch.randn(BATCH, SOURCE, MEMORY)
    context, weights = attention(query, attention.keys(memory), memory, PADDING)
    for b in range(BATCH):
        for q in range(QUERIES):
            scores = []
            for s in range(SOURCE):
                inner = attention.query.weight @ query[b, q] + attention.key.weight @ memory[b, s] + attention.key.bias
                scores.append(-math.inf if PADDING[b, s] else (attention.score.weight[0] @ inner.tanh()).item())
            expected = torch.tensor(scores).softmax(0)
            torch.testing.assert_close(weights[b, q], expected)
            torch.testing.assert_close(context[b, q], expected @ memory[b])


def test_multiplicative_attention_is_luongs_formula() -> None:
    torch.manual_seed(0)
    attention = MultiplicativeAttention(QUERY, MEMORY)
    query, memory = torch.randn(BATCH, QUERIES, QUERY), torch.randn(BATCH, SOURCE, MEMORY)
    context, weights = attention(query, attention.keys(memory), memory, PADDING)
    for b in range(BATCH):
        for q in range(QUERIES):
            scores = torch.stack([query[b, q] @ attention.key.weight @ memory[b, s] for s in range(SOURCE)])
            expected = scores.masked_fill(PADDING[b], -math.inf).softmax(0)
            torch.testing.assert_close(weights[b, q], expected)
            torch.testing.assert_close(context[b, q], expected @ memory[b])


@pytest.mark.parametrize("masked", [True, False])
def test_multi_head_attention_agrees_with_pytorchs(masked: bool) -> None:
    torch.manual_seed(0)
    size, heads = 12, 3
    ours = MultiHeadAttention(size, heads)
    theirs = torch.nn.MultiheadAttention(size, heads, batch_first=True)
    with torch.no_grad():
        for linear in (ours.query, ours.key_value, ours.out):
            linear.bias.normal_()
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    query, memory = torch.randn(BATCH, QUERIES, size), torch.randn(BATCH, SOURCE, size)
    keys, values = ours.keys_values(memory)
    mask = PADDING[:, None, None] if masked else None
    expected, weights = theirs(query, memory, memory, key_padding_mask=PADDING if masked else None)
    torch.testing.assert_close(ours(query, keys, values, mask), expected)
    torch.testing.assert_close(ours.weights(query, keys, mask), weights)


def test_multi_head_attention_differentiates_like_pytorchs_kernel() -> None:
    torch.manual_seed(0)
    ours = MultiHeadAttention(8, 2)
    query, memory = torch.randn(BATCH, QUERIES, 8), torch.randn(BATCH, SOURCE, 8, requires_grad=True)
    mask = PADDING[:, None, None]
    (gradient,) = torch.autograd.grad(ours(query, *ours.keys_values(memory), mask).square().sum(), memory)
    heads = F.scaled_dot_product_attention(
        ours.query(query).view(BATCH, QUERIES, 2, 4).transpose(1, 2), *ours.keys_values(memory), ~mask
    )
    (expected,) = torch.autograd.grad(ours.out(heads.transpose(1, 2).flatten(2)).square().sum(), memory)
    torch.testing.assert_close(gradient, expected)
    with pytest.raises(ValueError, match="3 heads"):
        MultiHeadAttention(8, 3)
