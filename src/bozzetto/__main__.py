"""`python -m bozzetto` is the command line."""

from bozzetto.cli import main

raise SystemExit(main())
