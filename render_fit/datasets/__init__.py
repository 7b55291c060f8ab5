"""TODO datasets"""
