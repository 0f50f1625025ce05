"""Makes ``evaluation_reference`` importable from the folders below."""
