"""TODO appearance"""
