"""Explanation: which words, pixels or columns decide a prediction."""
