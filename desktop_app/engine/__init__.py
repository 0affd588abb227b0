"""The verbs: torch and diffusers, no Qt. Importing this package itself imports nothing heavy."""
