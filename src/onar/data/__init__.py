"""From photos and masks to training samples: folders, sources, crops, batches, streams; and the data doctor."""
