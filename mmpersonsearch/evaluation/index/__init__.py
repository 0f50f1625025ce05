"""Index of detections, queries and galleries as flat arrays."""
