"""Tagging words by a pretrained encoder of word pieces."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modules.nets.pretrained import PretrainedEncoder
from modules.nets.tagging.bilstm import CharacterCNN


class PretrainedTagger(nn.Module):
    """Emissions of a tagger: a word's are made of the state of its first piece (Devlin et al. 2019, section 5.3).

    Characters and shape of the word can be joined to it: many encoders know neither upper case nor rare spellings.

    Args:
        num_words: Number of words; not used.
        num_chars: Number of characters.
        num_shapes: Number of word shapes.
        num_tags: Number of tags.
        name: A folder, ``$LEYDEN_DATA/<name>``, or a name on the Hugging Face hub; the data's ``tokenizer`` too.
        char_filters: Filters over the characters; 0 does without characters.
        char_widths: Widths of these filters.
        shape_size: Length of a shape's vector; 0 does without shapes.
        dropout: Share of the features set to zero.
        trained_layers: Train only so many of the encoder's last layers; 0 freezes it, None trains all of it.
        rate: Factor on the learning rate of all that is not pretrained.
    """

    def __init__(
        self,
        num_words: int,
        num_chars: int,
        num_shapes: int,
        num_tags: int,
        name: str,
        char_filters: int = 0,
        char_widths: Sequence[int] = (3,),
        shape_size: int = 0,
        dropout: float = 0.1,
        trained_layers: int | None = None,
        rate: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder = PretrainedEncoder(0, name, trained_layers=trained_layers)
        self.spelling = CharacterCNN(num_chars, 32, char_filters, char_widths) if char_filters else None
        self.shapes = nn.Embedding(num_shapes, shape_size, padding_idx=0) if shape_size else None
        self.dropout = nn.Dropout(dropout)
        self.output = nn.LazyLinear(num_tags)
        if self.encoder.model is not None:
            num_extra = self.spelling.num_features if self.spelling else 0
            self.output = nn.Linear(self.encoder.num_features + num_extra + shape_size, num_tags)  # type: ignore[assignment]
        for part in (self.spelling, self.shapes, self.output):
            for parameter in part.parameters() if part is not None else ():
                parameter.rate = rate  # type: ignore[attr-defined]
        self.train()  # the library loads models in evaluation mode

    def use_facts(self, fact: Callable[[str], Any]) -> None:
        """Check that the data has word pieces.

        Raises:
            ValueError: If it has none.
        """
        if not fact("tokenizer"):
            raise ValueError("a pretrained encoder needs data in its word pieces: --data.tokenizer, the encoder's name")

    def forward(self, inputs: Any) -> Tensor:
        """Emissions ``(batch, length, tags)`` of ``datamodules.tagging.examples.Pieces``."""
        states = self.encoder(inputs.tokens).flatten(0, 1)  # (windows * pieces, features)
        features = [states[inputs.first]]  # (batch, length, features)
        if self.spelling is not None:
            features.append(self.spelling(inputs.spelling)[inputs.spelled])
        if self.shapes is not None:
            features.append(self.shapes(inputs.shapes))
        emissions: Tensor = self.output(self.dropout(torch.cat(features, 2)))
        return emissions
