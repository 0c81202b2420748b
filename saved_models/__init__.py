"""Pretrained models, each in a folder of its own. None is published yet."""
