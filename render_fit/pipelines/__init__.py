"""TODO pipelines"""
