"""Damage drawn onto photos: scratches, dust and their likes, with the truth of where they are."""
