"""Random pipelines and edits, and what each edit must make run, worked out without the library."""
