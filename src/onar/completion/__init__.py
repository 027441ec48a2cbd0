"""`onar complete`: photos, masks and outputs; completing in this process or on Ray."""
