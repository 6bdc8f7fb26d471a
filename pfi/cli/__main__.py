"""`python -m pfi.cli`: the same as `pfi`."""

from pfi.cli.main import main

main()
