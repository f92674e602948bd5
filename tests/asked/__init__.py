"""Asked-for times and the topic presets, measured on sentences with their answers."""
