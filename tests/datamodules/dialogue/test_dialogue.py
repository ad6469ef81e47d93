"""Dialogues: files, contexts, replies, candidates."""

import csv
import json
import warnings

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.dialogue import DialogueText
from datamodules.dialogue.examples import ME, YOU, ChoiceExamples, DialogueTokenizer
from datamodules.dialogue.reading import Dialogue, Dialogues
from datamodules.ragged import Ragged
from datamodules.sampling import BatchIndices
from datamodules.tokens import Tokens
from datamodules.types import BEGIN, END, ChoiceFacts

TALKS = [["Hello!", "Hi, you.", "How are you?", "Fine."], ["Tea?", "No.", "Why?"], ["Is it late?", "It is."]]


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "val", "test"):
        lines = "".join(json.dumps({"turns": turns}) + "\n" for turns in TALKS)
        (tmp_path / f"{split}.jsonl").write_text(lines)
    return tmp_path


def make(folder, **options):
    data = DialogueText(str(folder), **{"num_tokens": 300, **options})
    data.setup("fit")
    return data


def tokenizer(data):
    return data.facts.tokenizer if isinstance(data.facts, ChoiceFacts) else data.facts.source_tokenizer


def raw(*dialogues):
    return Dialogues([Dialogue(turns) for turns in dialogues])


def written(data, ids):
    """Tokens as text, special ones too, without the spaces of the byte-level vocabulary."""
    words = Tokens(tokenizer(data)).words
    return "".join(words[i] for i in ids if i).replace("\u0120", " ")


def test_every_turn_but_the_first_is_a_reply(folder):
    data = make(folder, num_turns=2)
    source, target, references = data.datasets["val"].__getitems__(BatchIndices(range(6)))
    assert references == ["Hi, you.", "How are you?", "Fine.", "No.", "Why?", "It is."]
    assert written(data, source[0].tolist()) == f"{YOU} Hello!<eos>"
    assert written(data, source[1].tolist()) == f"{ME} Hello!{YOU} Hi, you.<eos>"
    assert written(data, source[2].tolist()) == f"{ME} Hi, you.{YOU} How are you?<eos>"  # the last two turns
    assert written(data, target[2].tolist()) == "<bos> Fine.<eos>"
    assert data.datasets["train"].__getitems__(BatchIndices([0]))[2] is None
    assert data.facts.num_source_tokens == data.facts.num_target_tokens == len(Tokens(data.facts.target_tokenizer))


def test_contexts_and_replies_are_texts_again(folder):
    data = make(folder, num_turns=2, candidates=4)
    contexts, replies, candidates = data.datasets["val"].__getitems__(BatchIndices(range(3)))
    assert data.decode(contexts) == ["you: Hello!", "me: Hello! you: Hi, you.", "me: Hi, you. you: How are you?"]
    assert data.decode(replies[candidates[:, 0]]) == ["me: Hi, you.", "me: How are you?", "me: Fine."]


def test_lengths_bound_both_sides(folder):
    data = make(folder)
    source, target, _ = data.datasets["train"].__getitems__(BatchIndices([1]))
    assert data.lengths(data.datasets["train"])[1] == max(source.shape[1], target.shape[1])


def test_context_keeps_the_last_turns_that_fit(folder):
    code = DialogueTokenizer(tokenizer(make(folder)), 8)
    you, me = code.you, code.me
    assert code.context([[9] * 3, [8] * 2, [7] * 2]) == me + [8] * 2 + you + [7] * 2 + [END]
    assert code.context([[9], [8], [7]]) == [*you, 9, *me, 8, *you, 7, END]
    assert code.context([[9], [8] * 20]) == you + [8] * 6 + [END]  # cut
    assert code.reply([8] * 20) == me + [8] * 6 + [END]


def test_long_training_replies_are_left_out(folder):
    dialogues = raw(["Hello!", "x y z " * 40], ["Tea?", "No."])
    data = make(folder, max_length=32)
    with pytest.warns(UserWarning, match="left out 1 of 2 training replies"):
        assert len(data.examples(dialogues, train=True)) == 1
    assert len(data.examples(dialogues, train=False)) == 2


def test_one_turn_and_empty_turns_are_left_out(folder):
    dialogues = raw(["Alone."], ["Tea?", " ", "Why?", "Because."])
    with pytest.warns(UserWarning, match="1 of 2 dialogues, of one turn, and 2 of 3 replies"):
        examples = make(folder).examples(dialogues, train=False)
    assert examples.references == ["Because."]
    with pytest.raises(MisconfigurationException, match="none of 1 dialogues has a turn and a reply"):
        make(folder).examples(raw(["Alone."]), train=True)


def test_candidates(folder):
    data = make(folder, candidates=4)
    assert sorted(data.facts.replies) == ["Fine.", "Hi, you.", "How are you?", "It is.", "No.", "Why?"]
    contexts, replies, candidates = data.datasets["val"].__getitems__(BatchIndices([4, 0]))
    assert candidates.shape == (2, 4)
    texts = [written(data, ids) for ids in replies.tolist()]
    assert texts[candidates[0, 0]] == f"{ME} Why?<eos>"
    assert texts[candidates[1, 0]] == f"{ME} Hi, you.<eos>"
    assert all(len({texts[i] for i in row}) == 4 for row in candidates.tolist())
    assert len(contexts) == 2
    contexts, replies, candidates = data.datasets["train"].__getitems__(BatchIndices([0, 5]))
    assert len(replies) == 2
    assert candidates is None


def test_contexts_that_choose_come_in_large_batches(folder):
    data = make(folder, candidates=3, batch_size=2)
    assert [len(data.batches(split)) for split in ("train", "val")] == [3, 1]
    assert data.batch_size == 2
    data = make(folder, batch_size=2)
    assert len(data.batches("val")) == 3


def test_candidates_do_not_depend_on_the_seed_and_never_equal_the_truth():
    texts = ["yes", "no", "yes", "maybe", "why"] * 20
    ragged = Ragged([[i + 4] for i in range(100)])
    torch.manual_seed(1)
    first = ChoiceExamples(ragged, ragged, texts, 4).candidates
    torch.manual_seed(2)
    assert torch.equal(first, ChoiceExamples(ragged, ragged, texts, 4).candidates)
    for text, row in zip(texts, first.tolist(), strict=True):
        assert texts[row[0]] == text
        assert len({texts[i] for i in row}) == 4
    assert len({tuple(row) for row in first.tolist()}) > 10
    with pytest.warns(UserWarning, match="4 candidates instead of 10"):
        assert ChoiceExamples(ragged, ragged, texts, 10).candidates.shape == (100, 4)
    with pytest.raises(MisconfigurationException, match="nothing to choose"):
        ChoiceExamples(ragged, ragged, ["yes"] * 100, 10)


def test_replies_of_the_index_are_the_most_frequent(tmp_path):
    talks = [["a?", "yes"]] * 3 + [["b?", "no"]] * 2 + [["c?", "maybe"], ["d?", " "]]
    path = tmp_path / "talks.jsonl"
    path.write_text("".join(json.dumps({"turns": turns}) + "\n" for turns in talks))
    data = DialogueText(str(path), candidates=2, num_replies=2, num_tokens=300)
    data._facts = data.learn(raw(*talks))
    assert data.facts.replies == ["yes", "no"]
    assert [written(data, ids) for ids in data.facts.reply_tokens] == [f"{ME} yes<eos>", f"{ME} no<eos>"]


def test_facts_come_back(folder):
    data, again = make(folder, candidates=3), DialogueText(str(folder), candidates=3)
    again.load_state_dict(data.state_dict())
    (folder / "train.jsonl").unlink()
    again.setup("test")
    assert again.facts.replies == data.facts.replies
    assert again.facts.reply_tokens == data.facts.reply_tokens
    a, b = (d.datasets[s].__getitems__(BatchIndices([2]))[0] for d, s in ((data, "val"), (again, "test")))
    assert torch.equal(a, b)


def test_open_dialogues(folder, tmp_path):
    data = make(folder, num_turns=1)
    data.predict_path = str(folder / "test.jsonl")
    data.setup("predict")
    source, target, references = data.datasets["predict"].__getitems__(BatchIndices([1]))
    assert written(data, source[0].tolist()) == f"{YOU} Why?<eos>"
    assert (target, references) == (None, None)
    assert data.describe(1) == {"turns": TALKS[1]}
    path = data.write([{"turns": TALKS[1], "reply": "So, so."}], tmp_path)
    assert json.loads((tmp_path / "predictions.jsonl").read_text()) == {"turns": TALKS[1], "reply": "So, so."}
    with path.open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"turns": json.dumps(TALKS[1]), "reply": "So, so."}]
    data.text, data.predict_path = "Tea?", None
    data.setup("predict")
    assert written(data, data.datasets["predict"].__getitems__(BatchIndices([0]))[0][0].tolist()) == f"{YOU} Tea?<eos>"


def test_text_to_reply_to(folder, tmp_path):
    data = make(folder)
    (tmp_path / "said.txt").write_text("Tea?\nIs it late?\n")
    wanted = raw(["Tea?"], ["Is it late?"])._replace(rows=[{"text": "Tea?"}, {"text": "Is it late?"}])
    assert data.read_predict(tmp_path / "said.txt") == wanted
    (tmp_path / "said.txt").write_text("")
    with pytest.raises(MisconfigurationException, match="is empty"):
        data.read_predict(tmp_path / "said.txt")
    with pytest.raises(MisconfigurationException, match="is a folder"):
        data.read_predict(tmp_path)


def test_one_file_is_shared_out(tmp_path):
    path = tmp_path / "talks.jsonl"
    path.write_text("".join(json.dumps({"turns": [f"{i}?", f"{i}!"]}) + "\n" for i in range(200)))
    data = DialogueText(str(path), val_fraction=0.2, test_fraction=0.1)
    parts = {split: [turns[0] for turns, _ in data.read(split).dialogues] for split in ("train", "val", "test")}
    assert sorted(text for part in parts.values() for text in part) == sorted(f"{i}?" for i in range(200))
    assert [len(part) for part in parts.values()] == [140, 40, 20]


def test_bad_options(folder):
    (folder / "empty").mkdir()
    with pytest.raises(MisconfigurationException, match=r"empty holds no train\.jsonl"):
        DialogueText(str(folder / "empty")).read("train")
    with pytest.raises(MisconfigurationException, match="there is no"):
        DialogueText(str(folder / "none.jsonl")).read("train")
    with pytest.raises(MisconfigurationException, match="candidates"):
        DialogueText(str(folder), candidates=1)
    with pytest.raises(MisconfigurationException, match="pretrained tokenizer"):
        DialogueText(str(folder), tokenizer="any")


def test_pretrained_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "you", "me", ":", "hello", "!", "hi", ",", "fine", "."]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder / "tiny")
    talks = raw(["hello !", "hi , you .", "fine ."])
    data = DialogueText(str(folder), candidates=2, tokenizer=str(folder / "tiny"))
    data._facts = data.learn(talks)
    contexts, replies, _ = data.examples(talks, train=True).__getitems__(BatchIndices([1]))
    tokens = Tokens(tokenizer(data))
    read = [" ".join(tokens.words[i] for i in ids[0].tolist()) for ids in (contexts, replies)]
    assert read == ["[CLS] me : hello ! you : hi , you . [SEP]", "[CLS] me : fine . [SEP]"]
    assert tokens.words[0] == "[PAD]"
    assert data.decode([contexts[0], replies[0]]) == ["me: hello ! you: hi , you .", "me: fine ."]


def test_replies_of_translators_have_begin_and_end(folder):
    _, target, _ = make(folder).datasets["val"].__getitems__(BatchIndices([0]))
    assert (int(target[0, 0]), int(target[0, -1])) == (BEGIN, END)


def test_what_looks_like_a_mark_is_left_out(folder):
    data = make(folder)
    code = DialogueTokenizer(tokenizer(data), 64)
    assert code.encode(["<me> no <eos>"])["<me> no <eos>"] == code.encode([" no "])[" no "]


def test_only_replies_are_replies(tmp_path):
    path = tmp_path / "talks.jsonl"
    said = [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Yes."}]
    path.write_text(
        "".join(
            json.dumps({"messages": [*said, {"role": "user", "content": f"{i}"}, *said[1:]]}) + "\n" for i in range(20)
        )
    )
    data = DialogueText(str(path), num_tokens=300, candidates=2)
    train = data.read("train")
    assert data.learn(train).replies == ["Yes."]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_turns": 0}, "num_turns is 0"),
        ({"num_replies": 0, "candidates": 2}, "num_replies is 0"),
        ({"num_tokens": 100}, "num_tokens is 100; it must be at least 300; 256 of them are bytes"),
        ({"max_length": 1}, "max_length is 1"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"candidates": -1}, "candidates is -1"),
        ({"val_fraction": 1.5}, "val_fraction is 1.5"),
        ({"test_fraction": -0.1}, "test_fraction is -0.1; it must be from 0 to below 1"),
        ({"val_fraction": 0.0}, r"none of 3 examples are for the split val; raise data\.val_fraction"),
    ],
)
def test_options_out_of_range(folder, options, message):
    (folder / "val.jsonl").unlink()
    with pytest.raises(MisconfigurationException, match=message):
        DialogueText(str(folder), **options).setup("fit")


def test_replies_that_are_cut_are_told(folder):
    (folder / "val.jsonl").write_text(json.dumps({"turns": ["hello", "so " * 200, "yes"]}) + "\n")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        make(folder, max_length=32, candidates=2)
    said = [str(one.message) for one in told if "not read" in str(one.message)]
    assert [one.split(" are longer")[0] for one in said] == ["1 of 2 last turns", "1 of 2 replies"]


def test_what_is_cut_is_told(folder):
    data = make(folder, max_length=32)
    data.setup("fit")
    data.ask(["hello", "so " * 200])
    with pytest.warns(UserWarning, match="1 of 2 last turns are longer than 30 tokens: what follows is not read"):
        data.setup("predict")
