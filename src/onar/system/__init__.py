"""Files, devices, processes, the console: what every verb needs of the system."""
