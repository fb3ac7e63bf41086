"""What is on disk: files written whole or not at all, files read with suspicion.

Nothing here knows a layer: model files are dictionaries and arrays.
"""
