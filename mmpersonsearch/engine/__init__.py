"""Hooks, optimizer wrappers and process groups of training."""
