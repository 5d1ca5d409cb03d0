"""Published attacks, reimplemented from their descriptions, for comparison with unveil.

Each attack is given the virtual background, as its authors assume. The person mask is that of
BlazePose Heavy instead of DeepLabV3.
"""
