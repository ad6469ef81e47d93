"""Dialogues: the user's own, DailyDialog."""

from datamodules.dialogue.own import Dialogues, DialogueText
from datamodules.dialogue.public import DailyDialog

__all__ = ["DailyDialog", "DialogueText", "Dialogues"]
