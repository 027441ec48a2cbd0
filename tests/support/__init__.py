"""Helpers of tests: programs that are started, pages that are driven, files that are made."""
