"""Pretrained text encoders (BERT and its kin) from the ``transformers`` library."""

import json
import os
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.types import SegmentTokens
from modules.nets.loading import PretrainedNet, first_line, set_rate


class PretrainedEncoder(PretrainedNet):
    """A pretrained encoder of tokens: a state for every token, or one for the whole text.

    It is made from its configuration, and its weights are loaded afterwards; the configuration is saved with the
    weights, so a checkpoint loads where the pretrained model is not at hand.

    Args:
        num_inputs: Number of tokens that the tokenizer knows.
        name: A folder as ``save_pretrained`` writes it, ``$LEYDEN_DATA/<name>``, or a name on the Hugging Face hub.
        pooling: How ``sentence`` makes one vector of the states: the ``first`` one ([CLS]), their ``mean`` or ``max``.
        trained_layers: Train only so many of the last layers; 0 freezes the encoder, None trains all of it.
        rate_decay: Each layer learns at so many times the rate of the layer above it (Howard & Ruder 2018).

    Raises:
        MisconfigurationException: If the tokenizer has more tokens than the model; on use, if there is no such model
            and no checkpoint brought its configuration.
    """

    def __init__(
        self,
        num_inputs: int,
        name: str,
        pooling: Literal["first", "mean", "max"] = "mean",
        trained_layers: int | None = None,
        rate_decay: float = 1.0,
    ) -> None:
        super().__init__()
        self.num_inputs, self.name, self.pooling = num_inputs, name, pooling
        self.trained_layers, self.rate_decay = trained_layers, rate_decay
        folder = Path(os.environ.get("LEYDEN_DATA", "data")) / name
        self.place = str(folder) if folder.is_dir() else name
        self.model: Any = None  # of a library without types
        try:
            self._use(_model_of(_find_config(self.place)))
        except (OSError, ValueError) as error:  # a checkpoint may bring the configuration
            self.reason = first_line(error)

    def load_pretrained(self) -> None:
        """Load the pretrained weights.

        Raises:
            MisconfigurationException: If there is no such model.
        """
        from transformers import AutoModel

        self._model()
        try:
            with torch.random.fork_rng(devices=[]):
                model = AutoModel.from_pretrained(self.place, dtype=torch.float32, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise self._missing(first_line(error)) from error
        self._use(model)

    def _use(self, model: Any) -> None:
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        num_known = model.get_input_embeddings().num_embeddings
        if self.num_inputs > num_known:
            raise MisconfigurationException(
                f"the tokenizer has {self.num_inputs} tokens, but the model {self.name} only {num_known}: "
                "give data and network the same pretrained name"
            )
        if hasattr(model, "pooler"):
            model.pooler = None  # trained for another purpose, and not used
        self.model = model.train(self.training and self.trained_layers != 0)  # it comes in evaluation mode
        self.pad = model.config.pad_token_id or 0
        self._choose_what_to_train(model)

    def _choose_what_to_train(self, model: Any) -> None:
        lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
        layers: Any = next((layers for layers in lists if len(layers) == model.config.num_hidden_layers), [])
        depth = {id(p): len(layers) - i for i, layer in enumerate(layers) for p in layer.parameters()}
        for parameter in model.parameters():
            below = depth.get(id(parameter), len(layers) + 1)  # 1 for the last layer; embeddings lie deepest
            parameter.requires_grad = self.trained_layers is None or below <= self.trained_layers
            if self.rate_decay != 1.0:
                set_rate([parameter], self.rate_decay**below)

    @property
    def num_features(self) -> int:
        """Length of a state."""
        return int(self._model().config.hidden_size)

    def linear(self, num_outputs: int, num_more: int = 0) -> nn.Linear:
        """A linear layer for the states, with further features beside them."""
        # Without a configuration the size of a state is known only when a checkpoint is loaded.
        return (
            nn.LazyLinear(num_outputs) if self.model is None else nn.Linear(self.num_features + num_more, num_outputs)
        )

    def _model(self) -> Any:
        if self.model is None:
            raise self._missing(self.reason)
        return self.model

    def _missing(self, reason: str) -> MisconfigurationException:
        return MisconfigurationException(
            f"there is no pretrained model {self.name}: {reason} (without a download: put its folder at "
            f"$LEYDEN_DATA/{self.name}; or take another network: --model.net)"
        )

    def get_extra_state(self) -> Tensor:
        """The configuration, as the bytes of its JSON."""
        return torch.tensor(list(self._model().config.to_json_string(use_diff=False).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Make the model of the configuration that a checkpoint brings, unless there is one already."""
        if self.model is None:
            from transformers import AutoConfig

            try:
                config = AutoConfig.for_model(**_without_code(json.loads(bytes(state.tolist()))))
            except (ValueError, TypeError) as error:
                raise MisconfigurationException(
                    f"the checkpoint does not say what the pretrained model {self.name} is like: {error}"
                ) from error
            self._use(_model_of(config))

    def train(self, mode: bool = True) -> "PretrainedEncoder":
        """Training mode, but for a frozen encoder: its dropout stays off."""
        super().train(mode)
        if self.model is not None and self.trained_layers == 0:
            self.model.eval()
        return self

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """States ``(batch, length, features)`` of token ids ``(batch, length)``, 0 for padding.

        ``segments`` says which text of a pair a token is of, 0 or 1 ``(batch, length)``; a model that was not trained
        with them (RoBERTa) does without.
        """
        model, mask = self._model(), tokens != 0
        if self.pad:  # the data exchanges 0 and the id that the model pads with
            tokens = torch.where(mask, torch.where(tokens == self.pad, 0, tokens), self.pad)
        # A frozen encoder needs no gradients in training; out of it, an explanation asks for those of its inputs.
        with torch.set_grad_enabled(torch.is_grad_enabled() and (self.trained_layers != 0 or not self.training)):
            has_segments = int(getattr(model.config, "type_vocab_size", 0)) > 1
            kinds = {"token_type_ids": segments} if segments is not None and has_segments else {}
            states: Tensor = model(input_ids=tokens, attention_mask=mask.long(), **kinds).last_hidden_state
        return states

    def pool(self, states: Tensor, tokens: Tensor) -> Tensor:
        """One vector ``(batch, features)`` of the states of each text; zero of a text without tokens."""
        mask = (tokens != 0).unsqueeze(2)
        if self.pooling == "mean":
            return (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        pooled = states[:, 0] if self.pooling == "first" else states.masked_fill(~mask, -torch.inf).amax(1)
        return pooled.masked_fill(~mask.any(1), 0.0)

    def sentence(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """One vector ``(batch, features)`` of each text, or pair of texts."""
        return self.pool(self(tokens, segments), tokens)


def _find_config(place: str) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except OSError:
        return AutoConfig.from_pretrained(place, trust_remote_code=False)


def _model_of(config: object) -> Any:
    """A model of random weights, which are replaced; so no random number is taken from anybody else."""
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        return AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)


def _without_code(config: object) -> Any:
    """A configuration without what makes the library fetch and run code, such as kernels of the hub."""
    if not isinstance(config, dict):
        return config
    code = ("auto_map", "quantization_config", "custom_pipelines")
    return {k: _without_code(v) for k, v in config.items() if k not in code and not k.endswith("_implementation")}


class PretrainedClassifier(nn.Module):
    """A pretrained encoder and one linear layer on the vector of the text (Devlin et al. 2019, section 4.1).

    Args:
        num_inputs: Number of tokens that the tokenizer knows.
        num_classes: Number of classes.
        name: A folder, ``$LEYDEN_DATA/<name>``, or a name on the Hugging Face hub.
        pooling: The text's vector: the ``first`` state ([CLS]), the ``mean`` or the ``max`` of the states.
        dropout: Probability with which a feature of that vector is left out in training.
        trained_layers: Train only so many of the encoder's last layers; 0 freezes it, None trains all of it.
        rate_decay: Each layer learns at so many times the rate of the layer above it (Howard & Ruder 2018).
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        name: str,
        pooling: Literal["first", "mean", "max"] = "mean",
        dropout: float = 0.1,
        trained_layers: int | None = None,
        rate_decay: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder = PretrainedEncoder(num_inputs, name, pooling, trained_layers, rate_decay)
        self.dropout = nn.Dropout(dropout)
        self.output = self.encoder.linear(num_classes)

    def forward(self, inputs: Tensor | SegmentTokens) -> Tensor:
        """Logits ``(batch, classes)`` of token ids ``(batch, length)``, 0 for padding, or of pairs of texts."""
        parts = inputs if isinstance(inputs, SegmentTokens) else (inputs,)
        logits: Tensor = self.output(self.dropout(self.encoder.sentence(*parts)))
        return logits
