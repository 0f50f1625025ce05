"""The command ``mmpersonsearch``: one module a verb, each with ``main(argv)``."""
