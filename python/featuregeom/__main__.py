"""``python -m featuregeom`` is the command line."""

from featuregeom.cli import main

if __name__ == "__main__":
    main()
