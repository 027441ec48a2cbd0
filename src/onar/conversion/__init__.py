"""The verb `convert`: weights that other programs have trained, as weights of Onar."""
