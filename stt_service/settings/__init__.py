"""Settings: schema, environment and changes at run time."""
