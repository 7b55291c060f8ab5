"""TODO poses"""
