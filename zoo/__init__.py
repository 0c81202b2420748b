"""Pretrained models: presets, cards and export. None is published yet."""
