"""What a release must be: `make release-check` builds it and tries it as those who install it will."""
