"""Colours of skin, hair and clothes."""
