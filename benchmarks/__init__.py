"""Measurements: Leyden beside a hand-written loop, under random kills, on GPUs."""
