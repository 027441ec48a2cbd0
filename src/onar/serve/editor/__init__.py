"""The endpoints of the page's editor."""
