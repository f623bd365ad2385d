"""`python -m igor.worker MODULE`: serves the types that the module's functions are for."""

from .command import main

if __name__ == "__main__":
    main()
