"""Pretrained tagger: an encoder of word pieces, with characters and word shapes beside it."""

from collections.abc import Sequence

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.types import PAD, PieceTokens, TaggingFacts
from modules.nets.loading import set_rate
from modules.nets.pretrained import PretrainedEncoder
from modules.nets.tagging.bilstm import CharacterCNN


class PretrainedTagger(nn.Module):
    """Emissions of a tagger: a word's are made of the state of its first piece (Devlin et al. 2019, section 5.3).

    Characters and shape of the word can be joined to it: many encoders know neither upper case nor rare spellings.

    Args:
        facts: Vocabularies and tags.
        name: A folder, ``$LEYDEN_DATA/<name>``, or a name on the Hugging Face hub; the data's ``tokenizer`` too.
        char_filters: Filters over the characters; 0 does without characters.
        char_widths: Widths of these filters.
        shape_size: Length of a shape's vector; 0 does without shapes.
        dropout: Share of the features set to zero.
        trained_layers: Train only so many of the encoder's last layers; 0 freezes it, None trains all of it.
        rate: Factor on the learning rate of all that is not pretrained.

    Raises:
        MisconfigurationException: If the data has no word pieces.
    """

    def __init__(
        self,
        facts: TaggingFacts,
        name: str,
        char_filters: int = 0,
        char_widths: Sequence[int] = (3,),
        shape_size: int = 0,
        dropout: float = 0.1,
        trained_layers: int | None = None,
        rate: float = 1.0,
    ) -> None:
        super().__init__()
        if not facts.tokenizer:
            raise MisconfigurationException(
                "a pretrained encoder needs data in its word pieces: --data.tokenizer, the encoder's name"
            )
        self.encoder = PretrainedEncoder(0, name, trained_layers=trained_layers)
        self.characters = CharacterCNN(facts.num_chars, 32, char_filters, char_widths) if char_filters else None
        self.shapes = nn.Embedding(facts.num_shapes, shape_size, padding_idx=PAD) if shape_size else None
        self.dropout = nn.Dropout(dropout)
        more = shape_size + (self.characters.num_features if self.characters is not None else 0)
        self.output = self.encoder.linear(len(facts.tags), more)
        for part in (self.characters, self.shapes, self.output):
            if part is not None:
                set_rate(part.parameters(), rate)

    def forward(self, inputs: PieceTokens) -> Tensor:
        """Emissions ``(batch, length, tags)``."""
        states = self.encoder(inputs.tokens).flatten(0, 1)  # (windows * pieces, features)
        features = [states[inputs.first]]  # (batch, length, features)
        if self.characters is not None:
            features.append(self.characters(inputs.spelling)[inputs.spelled])
        if self.shapes is not None:
            features.append(self.shapes(inputs.shapes))
        emissions: Tensor = self.output(self.dropout(torch.cat(features, 2)))
        return emissions
