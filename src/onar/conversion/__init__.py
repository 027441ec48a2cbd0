"""The verb `convert`: weights trained by other programs, converted to Onar's format."""
