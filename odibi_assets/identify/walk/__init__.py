"""The walk over live objects that gathers a fingerprint; each kind of object has its room."""
