"""Thresholds of usage: percents of a limit that are worth telling somebody about."""

DEFAULT_THRESHOLDS = (80, 100)
