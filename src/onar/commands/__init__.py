"""One function per command, whose signature and docstring are its flags and help."""
