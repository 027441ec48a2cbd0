"""Tools of the project: its release, site and pictures; not part of the package."""
