"""Tools of the project: its release, its site, its pictures. Nothing of them is in the package."""
