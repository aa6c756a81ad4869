"""Acts above a limit take effect only after another member of staff has approved exactly what was proposed."""
