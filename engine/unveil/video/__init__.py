"""Video in and out: sources, decoding to native planes, colour, sound, encoding."""
