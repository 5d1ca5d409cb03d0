"""Published attacks, written anew from their descriptions, to measure unveil against.

They are given what their authors assume an attacker has: the virtual background itself. Where
their authors take DeepLabV3 for the person, they take BlazePose Heavy.
"""
