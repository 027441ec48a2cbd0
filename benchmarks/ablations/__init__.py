"""Ablations of training settings: equal short runs that differ in one setting.

`variants` defines the runs, `study` their settings, `running` trains and scores, `scores` reads the scores, `page`
writes the page; `python -m benchmarks.ablations` does all of it.
"""
