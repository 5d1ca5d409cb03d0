"""Timeline pictures: the colours of selected pixels over time."""
