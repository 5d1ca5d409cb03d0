"""Video input and output: sources, decoding to native planes, colour, sound, encoding."""
