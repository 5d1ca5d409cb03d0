"""The colour of chosen pixels over time, as a picture."""
