"""Tables: the user's own, public ones, a straight line."""

from datamodules.tables.own import Tabular
from datamodules.tables.public import Adult, BreastCancer, CaliforniaHousing, Diabetes, Diamonds, Iris, Line, Wine

__all__ = ["Adult", "BreastCancer", "CaliforniaHousing", "Diabetes", "Diamonds", "Iris", "Line", "Tabular", "Wine"]
