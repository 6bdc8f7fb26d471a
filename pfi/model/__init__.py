"""Values that flow through the engine: frozen, no I/O, no framework, no import from the other rooms."""
