"""The release check: `make release-check` builds the release and tries it as a user would install it."""
