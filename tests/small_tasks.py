"""Every task on the samples, small enough to be trained in seconds: for tests, and for ``benchmarks.chaos``."""

from pathlib import Path

SAMPLES = Path(__file__).parent / "samples"
CONFIGS = Path(__file__).parents[1] / "configs"
SMALL = ["--model.net.size=16", "--model.net.hidden=16"]
SHORT = ["--data.max_tokens=null", "--data.batch_size=6", "--model.max_length=8"]
# Name, and what is typed after ``fit --config configs/``.
TASKS = {
    "regression": [
        "own/regression",
        f"--data.path={SAMPLES}/tables/people.csv",
        "--data.target=income",
        "--data.batch_size=2",
    ],
    "tabular_classification": ["tabular_classification/iris", "--data.batch_size=16"],
    "image_classification": ["image_classification/mnist_cnn", "--model.net.width=4", "--data.batch_size=8"],
    "text_classification": ["text_classification/trec_cnn", "--data.batch_size=16"],
    "several_labels": [
        "own/text_labels",
        *[f"--data.path={SAMPLES}/texts/films.csv", "--data.target=genres", "--data.batch_size=5"],
    ],
    "image_numbers": [
        "own/image_number",
        *[f"--data.path={SAMPLES}/my_images/tags.csv", "--model.net.width=4", "--data.batch_size=3"],
    ],
    "tagging": [
        "tagging/ewt_bilstm_crf",
        *["--model.net.hidden=8", "--model.net.word_size=8", "--model.net.char_filters=8", "--data.batch_size=4"],
    ],
    "tagging_by_counts": ["tagging/ewt_hmm", "--data.batch_size=4"],
    "embedding": ["embedding/skip_gram", "--model.size=8"],
    "translation": ["translation/multi30k_gru", *SMALL, *SHORT],
    "translation_transformer": ["translation/multi30k_transformer", *SMALL, *SHORT],
    "dialogue": ["dialogue/daily_dialog_gru", *SMALL, *SHORT, "--data.num_tokens=300"],
    "selection": [
        "dialogue/daily_dialog_selection",
        *[*SMALL, "--model.size=8", "--data.candidates=3", "--data.batch_size=4"],
    ],
    "forecasting": [
        "forecasting/etth1_patch",
        *["--data.context=48", "--data.horizon=12", "--model.net.hidden=8", "--data.batch_size=16"],
    ],
}
# What each can predict from.
INPUTS = {
    "regression": "tables/people.csv",
    "image_classification": "my_images",
    "text_classification": "texts/unlabelled.txt",
    "several_labels": "texts/unlabelled.txt",
    "image_numbers": "my_images",
    "tagging": "tagged/sentences.txt",
    "tagging_by_counts": "tagged/sentences.txt",
    "translation": "texts/unlabelled.txt",
    "translation_transformer": "texts/unlabelled.txt",
    "dialogue": "texts/unlabelled.txt",
    "selection": "texts/unlabelled.txt",
    "forecasting": "ett/ETTh1.csv",
}
ALIKE = ["--trainer.precision=32-true", "--trainer.log_every_n_steps=1", "--trainer.enable_progress_bar=false"]
ALIKE += ["--trainer.enable_model_summary=false", "--trainer.max_epochs=2", f"--data.root={SAMPLES}"]
ALIKE += ["--trainer.limit_train_batches=6", "--trainer.limit_val_batches=3"]


def fit(name: str) -> list[str]:
    """The command line that trains a task for two epochs."""
    config, *further = TASKS[name]
    return ["fit", f"--config={CONFIGS / config}.yaml", *ALIKE, *further]


def predict(name: str) -> list[str]:
    """The command line, but for the run, that predicts; empty if there is nothing to predict from."""
    return ["predict", f"--data.predict_path={SAMPLES / INPUTS[name]}"] if name in INPUTS else []
