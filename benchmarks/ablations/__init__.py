"""What a setting of the training gains: equal short runs that differ in one setting, scored alike.

`variants` says what is compared, `study` how, `running` trains and scores, `scores` reads what was scored, `page`
writes it down; `python -m benchmarks.ablations` does all of it.
"""
