"""Tables: the user's own, scikit-learn's, a straight line."""

from datamodules.tables.own import Tabular
from datamodules.tables.public import BreastCancer, CaliforniaHousing, Diabetes, Iris, Line, Wine

__all__ = ["BreastCancer", "CaliforniaHousing", "Diabetes", "Iris", "Line", "Tabular", "Wine"]
