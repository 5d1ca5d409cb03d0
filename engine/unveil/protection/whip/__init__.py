"""Publishes protected frames to a meeting or a media server by WHIP (RFC 9725).

`address` and `token` need no other package; `publisher` needs the extra `live` (aiohttp, aiortc).
"""
