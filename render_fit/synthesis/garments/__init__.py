"""TODO garments"""
