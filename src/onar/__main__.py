"""`python -m onar` is the `onar` command; launchers such as `accelerate launch` need it."""

from onar.cli import main

if __name__ == "__main__":
    main()
