"""Any photo and any holes in, the completed photo out: windows, and the backends that fill them."""
