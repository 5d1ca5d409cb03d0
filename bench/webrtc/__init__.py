"""The other way to do `unveil live`: WebRTC from the page to the process and back."""
