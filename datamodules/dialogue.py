"""Dialogues: the user's own, DailyDialog."""

from datamodules.daily_dialog import DailyDialog
from datamodules.dialogues import Dialogues, DialogueText

__all__ = ["DailyDialog", "DialogueText", "Dialogues"]
