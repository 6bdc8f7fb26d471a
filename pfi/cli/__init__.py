"""The command line, `pfi`. Everything it prints for people is French; `--json` where a machine reads."""
