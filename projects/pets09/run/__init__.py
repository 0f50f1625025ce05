"""Results on the frames, by whether training saw a person."""
