"""Files, devices, processes, the console: the operating system as every verb uses it."""
