"""TODO priors"""
