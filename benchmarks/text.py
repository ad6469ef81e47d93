"""Text classification: sentences per second of the LSTM and of fine-tuning, beside what one would write otherwise.

    python -m benchmarks.text lstm                  against a plain loop: on the same batches, whose sentences are of
                                                    similar length, and on batches padded to the longest of the corpus
    python -m benchmarks.text finetune --model M    against the Hugging Face Trainer (needs accelerate)

Same network, optimizer, batch size and data (SST-2) on both sides, in turns; the median of the repeats is printed, in
sentences a second of processor time. Both fine-tunings group sentences of similar length, which both can.
"""

import argparse
import tempfile
import time
import warnings
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.probes import Stopwatch, compare, train
from datamodules.sampling import BatchIndices
from datamodules.text import SST2
from datamodules.types import ClassFacts
from modules.classification import Classifier
from modules.nets.pretrained import PretrainedClassifier
from modules.nets.text.classifiers import TextRNN


def ours(task: Classifier, data: SST2, steps: int) -> float:
    clock = Stopwatch()
    train(task, data, [clock], steps)
    return steps * data.batch_size / clock.processor


def padded(data: SST2) -> DataLoader[Any]:
    """Shuffled batches of sentences that are padded to the longest, as in a tutorial."""
    tokens, target = data.datasets["train"].__getitems__(BatchIndices(range(len(data.datasets["train"]))))
    return DataLoader(TensorDataset(tokens, target), batch_size=data.batch_size, shuffle=True, drop_last=True)


def plain_lstm(data: SST2, loader: DataLoader[Any], steps: int) -> float:
    """A loop as in a tutorial, with AdamW and PyTorch's LSTM, which reads the padding too."""
    net = TextRNN(data.facts.num_inputs, 2)
    recurrent = torch.nn.LSTM(100, 100, batch_first=True, bidirectional=True)
    net.recurrent = None  # type: ignore[assignment]
    optimizer = torch.optim.AdamW([*net.parameters(), *recurrent.parameters()], lr=1e-3)
    done, start = 0, time.process_time()
    while done < steps:
        for inputs, labels in loader:
            vectors, mask = net.embedding(inputs)
            states, _ = recurrent(vectors)
            pooled = states.masked_fill(~mask[:, :, None], -torch.inf).amax(1)
            loss = F.cross_entropy(net.output(net.dropout(pooled)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done == steps:
                break
    return steps * data.batch_size / (time.process_time() - start)


def hugging_face(data: SST2, model: str, steps: int) -> float:
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        TrainingArguments,
    )
    from transformers import Trainer as TheirTrainer

    tokenizer = AutoTokenizer.from_pretrained(model)
    texts = list(data.read("train"))
    encoded = tokenizer([text.text for text in texts], truncation=True)["input_ids"]
    assert isinstance(data.facts, ClassFacts)
    labels = [data.facts.classes.index(text.label or "") for text in texts]
    rows = [{"input_ids": ids, "labels": label} for ids, label in zip(encoded, labels, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder,
            max_steps=steps,
            per_device_train_batch_size=data.batch_size,
            learning_rate=1e-4,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = TheirTrainer(
            AutoModelForSequenceClassification.from_pretrained(model),
            settings,
            data_collator=DataCollatorWithPadding(tokenizer),
            train_dataset=rows,
        )
        start = time.process_time()
        trainer.train()
        return steps * data.batch_size / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["lstm", "finetune"])
    parser.add_argument("--model", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    data = SST2(batch_size=32, tokenizer="words" if options.what == "lstm" else options.model)
    data.setup("fit")
    if options.what == "lstm":
        ways = {
            "Leyden": lambda: ours(Classifier(TextRNN), data, options.steps),
            "a loop on the same batches": lambda: plain_lstm(data, data.loader("train"), options.steps),
            "padded to the longest": lambda: plain_lstm(data, padded(data), options.steps),
        }
    else:
        net = partial(PretrainedClassifier, name=options.model)
        ways = {
            "Leyden": lambda: ours(Classifier(net), data, options.steps),
            "Hugging Face Trainer": lambda: hugging_face(data, options.model, options.steps),
        }
    compare(f"{options.what}, {torch.get_num_threads()} threads", ways, options.repeats, "sentences/s")


if __name__ == "__main__":
    main()
