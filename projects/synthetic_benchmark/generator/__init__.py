"""Parts of the synthetic person-search set: who walks there, what sees them, and how they are drawn."""
