"""Find damage and text in photos: scratches, dust, writing, date stamps, as masks of what to fill."""
