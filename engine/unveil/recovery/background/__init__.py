"""Analysis of the virtual background: motion, exchanges, and registration of a given picture."""
