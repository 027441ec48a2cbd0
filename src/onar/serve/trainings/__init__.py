"""Trainings over HTTP: their logs, curves and sample sheets."""
